"""What does not work together, and the command that mends it: pure rules, `Facts` to `Finding`s.

``dnll doctor`` reads the facts and shows the findings. Nothing outside the standard library is
imported here or there, since any other package may be the missing one.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten

from dnll_plugin.diagnosis.packages import CPU_INDEX, KNOWN_SET, PACKAGES, TORCH_FAMILY
from dnll_plugin.toolbox.checkout.version import NEWEST, ToolboxVersion
from dnll_plugin.toolbox.patches.late import NEEDED_FOR


@dataclass(frozen=True)
class TorchFacts:
    """What torch says of itself and of the machine.

    Attributes:
        cuda: the CUDA version that torch was built for; None: built without.
        gpus: name and memory in bytes of each CUDA device.
        mps: whether Apple's GPU can be used.
    """

    cuda: str | None = None
    gpus: tuple[tuple[str, int], ...] = ()
    mps: bool = False


@dataclass(frozen=True)
class Facts:
    """What is installed on a machine.

    Attributes:
        python: how to call the interpreter in a shell.
        versions: the version of each of `PACKAGES`; None: not installed.
        torchvision_needs: the torch that torchvision declares, such as ``==2.11.0``.
        torch: what torch says; None: it cannot be imported.
        torch_error: why it cannot.
        toolbox: the toolbox's folder; None: there is none.
        toolbox_version: which toolbox that is.
        toolbox_error: why the toolbox cannot be imported; None: it can.
        late_errors: why packages cannot be imported that images do not need, by name.
        cores: processor cores that this process may use.
        has_pip: whether the interpreter has pip, which environments made by uv lack.
    """

    python: str
    versions: Mapping[str, str | None]
    torchvision_needs: str = ""
    torch: TorchFacts | None = None
    torch_error: str | None = None
    toolbox: Path | None = None
    toolbox_version: ToolboxVersion | None = None
    toolbox_error: str | None = None
    late_errors: Mapping[str, str] = field(default_factory=dict)
    cores: int = 1
    has_pip: bool = True

    @property
    def toolbox_works(self) -> bool:
        """Whether the toolbox can be imported, and with it torch and torchvision."""
        return self.toolbox is not None and self.toolbox_error is None


@dataclass(frozen=True)
class Finding:
    """Something worth telling: what is broken and how to mend it, or what is good to know.

    Attributes:
        text: one line.
        packages: those that it is about.
        mend: what to do, a shell command wherever one does it.
        broken: False: everything works all the same.
    """

    text: str
    packages: tuple[str, ...] = ()
    mend: str = ""
    broken: bool = True


def diagnose(facts: Facts) -> list[Finding]:
    """Applies every rule.

    Args:
        facts: what is installed.

    Returns:
        The findings: causes first, then what follows from them.
    """
    findings = [finding for rule in RULES for finding in rule(facts)]
    explained = any(finding.broken for finding in findings)
    return [*findings, *_toolbox_fails(facts, explained)]


def _missing(facts: Facts) -> Iterator[Finding]:
    names = tuple(
        package.name
        for package in PACKAGES
        if facts.versions[package.name] is None and package.name not in NEEDED_FOR
    )
    if names:
        verb = "is" if len(names) == 1 else "are"
        yield Finding(f"{', '.join(names)} {verb} not installed", names, _install(facts, names))


def _not_for_images(facts: Facts) -> Iterator[Finding]:
    """What the plugin imports only where something needs it may be missing or fail."""
    for name, needed_for in NEEDED_FOR.items():
        mend = _install(facts, [name])
        if facts.versions[name] is None:
            text = "is not installed"
        elif name in facts.late_errors:
            text = f"cannot be imported ({shorten(facts.late_errors[name], 120)})"
            mend = _reinstall_torch(facts) if name in TORCH_FAMILY else mend
        else:
            continue
        text = f"{name} {text}; only {needed_for} would need it"
        yield Finding(text, (name,), mend, broken=False)


def _too_old(facts: Facts) -> Iterator[Finding]:
    for name, _, minimum in PACKAGES:
        version = facts.versions[name]
        if version and minimum and _release(version) < _release(minimum):
            text = f"{name} {version} is too old: the plugin needs {minimum} or later"
            yield Finding(text, (name,), _install(facts, [name]))


def _torchvision_of_another_torch(facts: Facts) -> Iterator[Finding]:
    torch, torchvision = facts.versions["torch"], facts.versions["torchvision"]
    if torch and torchvision and not _satisfies(torch, facts.torchvision_needs):
        needs = facts.torchvision_needs
        text = f"torchvision {torchvision} needs torch{needs}, but torch {torch} is installed"
        yield Finding(text, ("torch", "torchvision"), _reinstall_torch(facts))


def _mixed_builds(facts: Facts) -> Iterator[Finding]:
    """The versions fit, but a CPU-only torch (``+cpu``) cannot load the torchvision of PyPI.

    torchaudio does not count: images do not need it.
    """
    installed = {name: facts.versions[name] for name in TORCH_FAMILY[:-1] if facts.versions[name]}
    builds = {str(version).partition("+")[2] for version in installed.values()}
    if len(builds) > 1 and not facts.toolbox_works:
        names = ", ".join(f"{name} {version}" for name, version in installed.items())
        text = f"{names} are different builds: what stands after the + must be the same"
        yield Finding(text, tuple(installed), _reinstall_torch(facts))


def _torch_fails(facts: Facts) -> Iterator[Finding]:
    if facts.versions["torch"] and facts.torch_error:
        text = f"torch cannot be imported: {facts.torch_error}"
        yield Finding(text, ("torch",), _reinstall_torch(facts))


def _new_ruamel(facts: Facts) -> Iterator[Finding]:
    version = facts.versions["ruamel.yaml"]
    if version and _release(version) >= (0, 18, 0):
        yield Finding(
            f"ruamel.yaml {version} has no load(), with which the toolbox reads its configs; the "
            "plugin mends that while it runs, the command mends it for the toolbox alone",
            ("ruamel.yaml",),
            _install(facts, ["ruamel.yaml"]),
            broken=False,
        )


def _new_timm(facts: Facts) -> Iterator[Finding]:
    version, toolbox = facts.versions["timm"], facts.toolbox_version
    if version and _release(version) >= (0, 9, 0) and toolbox and toolbox.commit == NEWEST:
        yield Finding(
            f"timm {version} has no timm.models.layers.helpers, which this toolbox imports; the "
            "plugin mends that while it runs",
            ("timm",),
            broken=False,
        )


def _changed_toolbox(facts: Facts) -> Iterator[Finding]:
    version = facts.toolbox_version
    if version and version.commit is None:
        yield Finding("this toolbox is neither of the versions the plugin knows", broken=False)
    elif version and version.modified:
        yield Finding("files of the toolbox were changed, added or removed", broken=False)


RULES: tuple[Callable[[Facts], Iterable[Finding]], ...] = (
    _missing,
    _not_for_images,
    _too_old,
    _torchvision_of_another_torch,
    _mixed_builds,
    _torch_fails,
    _new_ruamel,
    _new_timm,
    _changed_toolbox,
)


def _toolbox_fails(facts: Facts, explained: bool) -> Iterator[Finding]:
    """Missing or failing; what is broken already explains the latter well enough."""
    if facts.toolbox is None:
        yield Finding("the toolbox (semilearn) is not installed", (), _install(facts, KNOWN_SET))
    elif facts.toolbox_error:
        first = "mend what is named above, then run dnll doctor again"
        mend = first if explained else _install(facts, KNOWN_SET)
        yield Finding(f"the toolbox cannot be imported: {facts.toolbox_error}", (), mend)


def _install(facts: Facts, names: Iterable[str]) -> str:
    """The command that installs packages, in versions that work together."""
    minimum = {name: f"{name}>={version}" for name, _, version in PACKAGES if version}
    known = {name: f"{name}=={version}" for name, version in KNOWN_SET.items()}
    wanted = [known.get(name) or minimum.get(name) or name for name in names]
    if _has_cpu_torch(facts) and any(name in TORCH_FAMILY for name in names):
        wanted += ["--extra-index-url", CPU_INDEX]
        wanted = [f"{word}+cpu" if word.split("==")[0] in TORCH_FAMILY else word for word in wanted]
    return shlex.join([*_pip(facts, "install"), *wanted])


def _reinstall_torch(facts: Facts) -> str:
    """Uninstalls first: pip would keep a torch 2.11.0+cpu, which to it is a torch 2.11.0."""
    yes = ["-y"] if facts.has_pip else []
    uninstall = shlex.join([*_pip(facts, "uninstall"), *yes, *TORCH_FAMILY])
    return f"{uninstall} && {_install(facts, TORCH_FAMILY)}"


def _pip(facts: Facts, action: str) -> list[str]:
    """How to call pip, or uv where the environment has no pip."""
    if facts.has_pip:
        return [facts.python, "-m", "pip", action]
    return ["uv", "pip", action, "--python", facts.python]


def _has_cpu_torch(facts: Facts) -> bool:
    """Whether torch is a build without CUDA, in whose place nobody wants gigabytes of CUDA."""
    return (facts.versions["torch"] or "").endswith("+cpu")


def _release(version: str) -> tuple[int, ...]:
    """``2.11.0+cu130`` -> (2, 11, 0); ``10`` -> (10, 0, 0)."""
    leading = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in leading.group().split(".")] if leading else []
    return (*numbers, 0, 0, 0)[:3]


def _satisfies(version: str, requirement: str) -> bool:
    """Whether a version fits ``==…`` or ``>=…``; what torchvision never declares fits too."""
    have, want = _release(version), _release(requirement[2:])
    return {"==": have == want, ">=": have >= want}.get(requirement[:2], True)
