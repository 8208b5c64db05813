"""What training and picking must know of a kind of network, and which of its tensors are trained."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from structloop.models.pickers.protocol import Picker
from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard, Scalar

STRIDE = 16
"""Height and width of a picture that a network is given are multiples of it."""

FROZEN = "frozen"
"""Name of the part of a network that comes from a base: training leaves it as it is and does not save it."""


def trained_state(network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a network's state that training may change; those that `frozen_names` gives are left out."""
    frozen = frozen_names(network)
    return {name: tensor for name, tensor in network.state_dict().items() if name not in frozen}


def frozen_names(network: nn.Module) -> frozenset[str]:
    """Names of the tensors that lie in a part of the network called `frozen`, which comes from a base."""
    return frozenset(name for name in network.state_dict() if name.split(".", 1)[0] == FROZEN)


class TrainablePicker(Picker, Protocol):
    """A picker that another training can start from."""

    @property
    def state(self) -> dict[str, Tensor]:
        """Copies of the weights that training changes."""
        ...


class Architecture(Protocol):
    """What training must know of a kind of network."""

    @property
    def family(self) -> str:
        """The family of its cards."""
        ...

    @property
    def identity(self) -> str:
        """Tells it from others of its family, frozen weights included; empty where nothing is frozen."""
        ...

    @property
    def base(self) -> str | None:
        """For the card: where the frozen weights come from."""
        ...

    @property
    def parameters(self) -> Mapping[str, Scalar]:
        """For the card: what `picker` and the family's `load` need."""
        ...

    def build(self) -> nn.Module:
        """A network to train: what is trained drawn from torch's random numbers, the rest as in the base."""
        ...

    def picker(self, card: PickerCard, state: Mapping[str, Tensor], runtime: Runtime | None = None) -> TrainablePicker:
        """The picker of trained weights.

        Raises:
            ModelFormatError: the weights do not fit.
        """
        ...


__all__ = ["FROZEN", "STRIDE", "Architecture", "TrainablePicker", "frozen_names", "trained_state"]
