"""The formats: each writes a classifier with its description, and reads it back to run it."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from dnll_plugin.errors import InputError
from dnll_plugin.export.classifier import Classifier

KEY = "dnll"
"""Where in a file the description is."""

TOLERANCE = 1e-4
"""How far a probability may be from the net's own."""

Run = Callable[[Tensor], Tensor]
"""From pixels (N, 3, H, W) to probabilities (N, K)."""


@dataclass(frozen=True)
class Format:
    """How one format is written and run.

    Attributes:
        write: writes a classifier, with an example of its input and its description.
        load: reads a file back; the classifier is for what holds the weights alone.
    """

    write: Callable[[Classifier, Tensor, str, Path], None]
    load: Callable[[Path, Classifier], Run]


def export(
    classifier: Classifier, pixels: Tensor, description: str, name: str, file: Path
) -> float:
    """Writes a file, and runs what was written before it gets its name.

    Args:
        classifier: what to write.
        pixels: images to compare on, float32 (N, 3, H, W); N at least 1.
        description: from :func:`~dnll_plugin.export.classifier.describe`.
        name: a key of `FORMATS`.
        file: the file.

    Returns:
        The largest difference of a probability from the net's own.

    Raises:
        InputError: A package that the format needs is missing.
        RuntimeError: The difference is above `TOLERANCE`; there is no file then.
    """
    chosen = FORMATS[name]
    temporary = file.with_name(f".writing-{file.name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's exporters, about their own old calls
            chosen.write(classifier, pixels, description, temporary)
        with torch.inference_mode():
            expected = classifier(pixels)[1]
        got = chosen.load(temporary, classifier)(pixels)
        difference = float((got - expected).abs().max())
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f"{file}: not written: its probabilities are up to {difference:.1g} from the net's"
            )
        temporary.replace(file)
    except ImportError as error:
        raise InputError(
            f"--format {name}: {error.name} is missing; pip install 'dnll-plugin[export]'"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return difference


def make_example(pixels: Tensor) -> Tensor:
    """Two images: torch takes a number of 1 for one that never changes."""
    return pixels[:1].repeat(2, 1, 1, 1)


def _program(classifier: Classifier, pixels: Tensor) -> torch.export.ExportedProgram:
    """The classifier as a graph that takes any number of images."""
    images = torch.export.Dim("images")
    return torch.export.export(classifier, (make_example(pixels),), dynamic_shapes=({0: images},))


def _write_onnx(classifier: Classifier, pixels: Tensor, description: str, file: Path) -> None:
    import onnx

    names: dict[str, Any] = {"input_names": ["pixels"], "output_names": ["logits", "probabilities"]}
    if TorchVersion(torch.__version__) >= "2.7":
        graph = _program(classifier, pixels)
        program = torch.onnx.export(graph, dynamo=True, verbose=False, **names)
        assert program is not None
        model = program.model_proto
    else:  # whose exporter of graphs fails on batch norm with onnxscript 0.5.4 and later
        axes = {name: {0: "images"} for name in chain(*names.values())}
        torch.onnx.export(classifier, (make_example(pixels),), file, dynamic_axes=axes, **names)
        model = onnx.load(file)
    model.metadata_props.add(key=KEY, value=description)
    onnx.save(model, file)


def _load_onnx(file: Path, classifier: Classifier) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(
        session.run(["probabilities"], {"pixels": pixels.numpy()})[0]
    )


def _write_pt2(classifier: Classifier, pixels: Tensor, description: str, file: Path) -> None:
    program = _program(classifier, pixels)
    torch.export.save(program, file, extra_files={f"{KEY}.json": description})


def _load_pt2(file: Path, classifier: Classifier) -> Run:
    module = torch.export.load(file).module()
    return lambda pixels: module(pixels)[1].detach()


def _write_safetensors(
    classifier: Classifier, pixels: Tensor, description: str, file: Path
) -> None:
    from safetensors.torch import save

    weights = {name: value.clone().contiguous() for name, value in classifier.state_dict().items()}
    file.write_bytes(save(weights, {KEY: description}))  # save_file lets nobody else read it


def _load_safetensors(file: Path, classifier: Classifier) -> Run:
    from safetensors.torch import load_file

    copied = copy.deepcopy(classifier)
    for parameter in copied.parameters():
        parameter.data.zero_()  # so that only what the file holds can give the same
    copied.load_state_dict(load_file(file))
    return lambda pixels: copied(pixels)[1].detach()


FORMATS = {
    "onnx": Format(_write_onnx, _load_onnx),
    "pt2": Format(_write_pt2, _load_pt2),
    "safetensors": Format(_write_safetensors, _load_safetensors),
}
