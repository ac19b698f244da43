"""The hook that measures how many out-of-distribution (OOD) images an algorithm learns from."""

from contextlib import ExitStack

from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.hooks.monitor import average_by_kind, is_log_step, read_hidden_labels
from dnll_plugin.hooks.step_record import StepRecord, record_step
from dnll_plugin.protocols import ToolboxAlgorithm


class OODHook(Hook):
    """Measures, for any algorithm that masks rows, how many OOD images its mask lets through.

    The algorithm may be one of the toolbox: its step is recorded from before to after it. One that
    masks nothing is left alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.labels: Tensor | None = None
        self.recording = ExitStack()
        self.record = StepRecord()

    def before_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.record = self.recording.enter_context(record_step(algorithm))

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.recording.close()
        record, self.record = self.record, StepRecord()
        if record.mask is None or record.idx_ulb is None or not is_log_step(algorithm):
            return
        idx_ulb = record.idx_ulb.to(record.mask.device)
        if self.labels is None:
            self.labels = read_hidden_labels(algorithm, idx_ulb.device)
        seen = average_by_kind("util_ratio", record.mask.float(), self.labels[idx_ulb] < 0)
        algorithm.log_dict |= {f"train/{name}": value for name, value in seen.items()}
