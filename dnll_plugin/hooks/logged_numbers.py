"""Numbers that a step of the toolbox logs, left on the device until someone reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from dnll_plugin.hooks.step_record import replaced


@contextmanager
def leave_numbers_on(device_type: str) -> Iterator[None]:
    """Lets ``.item()`` give the tensor itself, detached, where its device is of a type.

    A step of the toolbox reads its losses for its log, four times a step, and on a GPU the host
    waits each time. A tensor of one element counts and is formatted as a number does, so what is
    logged is read at the steps that are logged. Outside of the context torch is as ever.

    Args:
        device_type: Where reading waits: ``cuda``.
    """
    read = Tensor.item

    def item(self: Tensor) -> Any:
        return self.detach() if self.device.type == device_type else read(self)

    with replaced(Tensor, item=item):
        yield
