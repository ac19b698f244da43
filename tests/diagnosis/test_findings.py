"""The doctor's rules on made-up machines."""

import importlib.metadata
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.diagnosis.findings import (
    Facts,
    Finding,
    TorchFacts,
    _release,
    _satisfies,
    diagnose,
)
from dnll_plugin.diagnosis.packages import KNOWN_SET, PACKAGES
from dnll_plugin.toolbox.checkout.version import NEWEST, WHEEL, ToolboxVersion
from dnll_plugin.toolbox.patches.late import NEEDED_FOR

ROOT = Path(__file__).parents[2]
TORCH_2_11 = "pip install torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0"
GOOD = Facts(
    python="python",
    versions={package.name: KNOWN_SET.get(package.name, "99.0") for package in PACKAGES},
    torchvision_needs="==2.11.0",
    torch=TorchFacts(),
    toolbox=Path("semilearn"),
    toolbox_version=ToolboxVersion(WHEEL, modified=False),
)


def machine(torchvision_needs: str = "==2.11.0", error: str | None = None, **versions) -> Facts:
    """A good machine but for these versions; ``ruamel_yaml`` stands for ``ruamel.yaml``."""
    changed = {name.replace("_", "."): version for name, version in versions.items()}
    return replace(
        GOOD,
        versions={**GOOD.versions, **changed},
        torchvision_needs=torchvision_needs,
        toolbox_error=error,
    )


def broken(facts: Facts) -> list[Finding]:
    return [finding for finding in diagnose(facts) if finding.broken]


def test_the_known_set_has_no_findings():
    assert diagnose(GOOD) == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_a_missing_package_is_named_with_the_command(package):
    facts = replace(GOOD, versions={**GOOD.versions, package.name: None})
    (finding,) = diagnose(facts)
    assert finding.text.startswith(f"{package.name} is not installed")
    assert finding.broken is (package.name not in NEEDED_FOR)
    assert finding.mend.startswith("python -m pip install ")
    assert package.name in finding.mend


def test_all_missing_packages_are_one_command():
    (finding,) = broken(machine(tqdm=None, pandas=None, timm=None))
    assert finding.text == "timm, pandas, tqdm are not installed"
    assert finding.mend == "python -m pip install timm==1.0.31 'pandas>=2.1' tqdm"


def test_uv_installs_where_there_is_no_pip():
    facts = replace(machine(tqdm=None, torch="2.9.0"), has_pip=False)
    missing, pair = broken(facts)
    assert missing.mend == "uv pip install --python python tqdm"
    assert pair.mend == (
        "uv pip uninstall --python python torch torchvision torchaudio && "
        "uv pip install --python python torch==2.11.0 torchvision==0.26.0 torchaudio==2.11.0"
    )


def test_an_old_package():
    (finding,) = broken(machine(pandas="2.0.3"))
    assert finding.text == "pandas 2.0.3 is too old: the plugin needs 2.1 or later"
    assert finding.mend == "python -m pip install 'pandas>=2.1'"


@pytest.mark.parametrize(("torch", "needs"), [("2.15.0", "==2.11.0"), ("2.11.0", ">=2.14.0")])
def test_torchvision_of_another_torch(torch, needs):
    finding = broken(machine(needs, "RuntimeError", torch=torch))[0]
    assert finding.text == f"torchvision 0.26.0 needs torch{needs}, but torch {torch} is installed"
    assert finding.mend.startswith("python -m pip uninstall -y torch torchvision torchaudio && ")
    assert finding.mend.endswith(TORCH_2_11)


def test_what_images_do_not_need_is_a_note():
    causes = {"torchaudio": "OSError: CUDA versions differ", "aim": "AttributeError: pkgutil"}
    facts = machine(">=2.14.0", torch="2.15.0", torchvision="0.29.2")
    torchaudio, aim = diagnose(replace(facts, late_errors=causes))
    assert torchaudio.text == (
        "torchaudio cannot be imported (OSError: CUDA versions differ); only audio data sets would "
        "need it"
    )
    assert torchaudio.mend.endswith(TORCH_2_11)
    assert aim.text.endswith("only use_aim would need it")
    assert aim.mend == "python -m pip install aim"
    assert not torchaudio.broken
    assert not aim.broken


def test_a_torchaudio_of_another_release_that_works_is_not_mentioned():
    assert diagnose(machine("==2.12.0", torch="2.12.0", torchvision="0.27.0")) == []


def test_a_cpu_only_torch_with_torchvision_of_pypi():
    facts = machine(error="RuntimeError: operator torchvision::nms", torch="2.11.0+cpu")
    builds, _ = broken(facts)
    assert "torch 2.11.0+cpu, torchvision 0.26.0 are different builds" in builds.text
    assert builds.mend.endswith(
        "pip install torch==2.11.0+cpu torchvision==0.26.0+cpu torchaudio==2.11.0+cpu "
        "--extra-index-url https://download.pytorch.org/whl/cpu"
    )


def test_builds_of_one_kind_are_fine():
    facts = machine(torch="2.11.0+cpu", torchvision="0.26.0+cpu", torchaudio="2.11.0+cpu")
    assert diagnose(facts) == []


@pytest.mark.parametrize(("version", "told"), [("0.17.40", 0), ("0.18.0", 1), ("0.19.1", 1)])
def test_a_new_ruamel_is_mended_by_the_plugin(version, told):
    findings = diagnose(machine(ruamel_yaml=version))
    assert len(findings) == told
    for finding in findings:
        assert not finding.broken
        assert finding.text.startswith(f"ruamel.yaml {version} has no load()")
        assert finding.mend == "python -m pip install ruamel.yaml==0.17.40"


@pytest.mark.parametrize(("commit", "told"), [(WHEEL, 0), (NEWEST, 1)])
def test_timm_and_the_newest_toolbox_are_mended_by_the_plugin(commit, told):
    findings = diagnose(replace(GOOD, toolbox_version=ToolboxVersion(commit, modified=False)))
    assert [finding.broken for finding in findings] == [False] * told


@pytest.mark.parametrize("commit", [WHEEL, NEWEST, None])
def test_a_toolbox_with_changed_files_is_a_note(commit):
    findings = diagnose(replace(GOOD, toolbox_version=ToolboxVersion(commit, modified=True)))
    assert not any(finding.broken for finding in findings)
    assert "toolbox" in findings[-1].text


def test_no_toolbox():
    (finding,) = broken(replace(GOOD, toolbox=None, toolbox_version=None))
    assert finding.text == "the toolbox (semilearn) is not installed"
    assert finding.mend.startswith("python -m pip install semilearn==0.3.2 torch==2.11.0 ")


def test_a_toolbox_that_fails_though_all_versions_fit():
    (finding,) = broken(machine(error="SyntaxError: invalid syntax"))
    assert finding.text == "the toolbox cannot be imported: SyntaxError: invalid syntax"
    assert "semilearn==0.3.2" in finding.mend


def test_a_torch_that_fails():
    facts = replace(machine(error="OSError: libcudart.so"), torch_error="OSError: libcudart.so")
    torch, _ = broken(facts)
    assert torch.text == "torch cannot be imported: OSError: libcudart.so"
    assert torch.mend.endswith(TORCH_2_11)


versions = st.none() | st.from_regex(
    r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(\+cpu|rc1|\.dev0)?", fullmatch=True
)


@given(
    st.fixed_dictionaries({package.name: versions for package in PACKAGES}),
    st.sampled_from(["", "==2.11.0", ">=2.14.0", "~=2.1"]),
    st.none() | st.just("ImportError: no"),
    st.booleans(),
)
def test_every_finding_is_one_line_and_every_broken_one_says_what_to_do(
    installed, needs, error, found
):
    facts = replace(
        GOOD,
        versions=installed,
        torchvision_needs=needs,
        toolbox_error=error,
        toolbox=GOOD.toolbox if found else None,
    )
    findings = diagnose(facts)
    assert all(len(finding.text.splitlines()) == 1 for finding in findings)
    assert all(finding.mend for finding in findings if finding.broken)
    assert {name for finding in findings for name in finding.packages} >= {
        name for name, version in installed.items() if version is None
    }


@pytest.mark.parametrize(
    ("version", "release"),
    [
        ("2.11.0+cu130", (2, 11, 0)),
        ("10", (10, 0, 0)),
        ("2.12.0.dev1", (2, 12, 0)),
        ("x", (0, 0, 0)),
    ],
)
def test_release(version, release):
    assert _release(version) == release


@pytest.mark.parametrize(
    ("version", "requirement", "fits"),
    [
        ("2.11.0+cpu", "==2.11.0", True),
        ("2.11.1", "==2.11.0", False),
        ("2.15.0", ">=2.14.0", True),
        ("2.9.1", ">=2.14.0", False),
        ("2.9.1", "", True),
    ],
)
def test_satisfies(version, requirement, fits):
    assert _satisfies(version, requirement) is fits


# What is written down twice, because the doctor runs where neither file nor metadata may be.


def declared(requirements: list[str]) -> dict[str, str]:
    """Name -> oldest version, of the requirements that do not belong to an extra."""
    found = {}
    for line in requirements:
        name, minimum = re.match(r"([\w.-]+)\s*\(?(?:>=([\d.]+))?", line).groups()
        if "extra ==" not in line:
            found[name.lower()] = minimum or ""
    return found


def test_the_minimum_versions_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    written = declared(project["dependencies"])
    assert written.pop("semilearn") == KNOWN_SET["semilearn"]
    assert written == {name: minimum for name, by, minimum in PACKAGES if "plugin" in by}


def test_the_toolbox_needs_what_its_metadata_say():
    needed = set(declared(importlib.metadata.requires("semilearn") or []))
    # the toolbox never imports clib: it only makes ruamel.yaml faster
    assert needed - {"ruamel.yaml.clib"} == {name for name, by, _ in PACKAGES if "toolbox" in by}


def test_the_known_set_is_the_one_that_make_installs():
    text = (ROOT / "requirements.txt").read_text()
    assert KNOWN_SET.items() <= set(re.findall(r"^([\w.-]+)==([\d.]+)", text, re.MULTILINE))
