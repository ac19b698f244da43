"""Algorithms that put heads of their own beside the net."""

from semilearn.core import AlgorithmBase

from dnll_plugin.nets.pair import Net
from dnll_plugin.nets.with_heads import NetWithHeads


class HeadsMixin(AlgorithmBase):
    """Trains the net and the heads beside it as one model, and averages them as one."""

    def add_heads(self, net: Net) -> NetWithHeads:
        """The net with fresh heads."""
        raise NotImplementedError

    def set_model(self) -> NetWithHeads:
        return self.add_heads(super().set_model())

    def set_ema_model(self) -> NetWithHeads:
        ema_model = self.add_heads(self.net_builder(num_classes=self.num_classes))
        ema_model.load_state_dict(self.check_prefix_state_dict(self.model.state_dict()))
        return ema_model
