"""Review tasks: how an application meets the loop. The loop itself knows no domain."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from PIL import Image

from structloop.core.plugins import PluginRegistry
from structloop.imaging.reading import decode
from structloop.imaging.sources import read_unchanged
from structloop.schema.images import Modality
from structloop.schema.loop import UNCERTAIN, UNUSABLE, ItemKey, TaskImage
from structloop.store import Database

FindImages = Callable[[Database, Collection[ItemKey]], Mapping[ItemKey, TaskImage]]


@dataclass(frozen=True, slots=True)
class GateDefaults:
    """What a new model must show before it takes the place of the one in production, unless told otherwise.

    Attributes:
        recall_margin: How much lower its recall may be, at most; of tasks that say which labels are acceptable, how
            much lower the share of items of which it tells rightly whether theirs is.
        significance: Level of the paired test.
        max_calibration_error: Largest expected calibration error.
        max_slowdown: Longest time per image, relative to the model in production.
        min_positives: Positive items that the test set must hold for its numbers to mean something; of tasks that say
            which labels are acceptable, as many on either side.
    """

    recall_margin: float = 0.02
    significance: float = 0.05
    max_calibration_error: float = 0.1
    max_slowdown: float = 2.0
    min_positives: int = 20

    def __post_init__(self) -> None:
        if not 0 <= self.recall_margin < 1 or not 0 < self.significance < 1 or not 0 < self.max_calibration_error <= 1:
            raise ValueError("recall_margin, significance and max_calibration_error are shares between 0 and 1")
        if self.max_slowdown <= 0 or self.min_positives < 1:
            raise ValueError("max_slowdown must be above 0 and min_positives at least 1")


def load_whole_image(image: TaskImage) -> Image.Image:
    """The pixels of an image as its file stores them.

    Raises:
        ImageError: the file is missing, damaged, or no longer what was imported.
    """
    return decode(read_unchanged(image.path, image.sha256), image.path)


@dataclass(frozen=True, slots=True)
class ReviewTask:
    """One thing that models learn from people: its labels, its images, how they group, and what is asked of a model.

    Attributes:
        name: Such as `crystals/visible`.
        title: For people.
        labels: The label set; a label's place is its class id.
        positive: The label that is looked for.
        modality: The modality of its images; None: any.
        curated_as: The task under which people annotate and curate its items. Tasks that share it are labelled
            together: one settled decision labels an image of each.
        find_images: The images of items, those that have one: `find_images(database, items)`. Each says which group and
            project it belongs to: splits never cut a group, nor a project where there are enough of them.
        load: The pixels of an image.
        details: Kinds that curators may tell apart within a label, such as crystal types.
        metrics: The metrics that reports put first, by their names in `loop.evaluation`.
        gate: What promotion asks for by default.
        acceptable: Of more than two labels, those whose items are of use. Whether a model tells these from the others
            is what the gate then asks for, in place of the recall of the positive label; none: that recall.
        default_model: The model that does the work where none is in production; None: the one that the settings name.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    positive: str
    modality: Modality | None
    curated_as: str
    find_images: FindImages
    load: Callable[[TaskImage], Image.Image] = load_whole_image
    details: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    metrics: tuple[str, ...] = ("balanced_accuracy", "recall", "precision")
    gate: GateDefaults = GateDefaults()
    acceptable: tuple[str, ...] = ()
    default_model: str | None = None

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"review task {self.name}: labels {self.labels} must be two or more different ones")
        if self.positive not in self.labels:
            raise ValueError(f"review task {self.name}: '{self.positive}' is none of its labels {self.labels}")
        if {UNCERTAIN, UNUSABLE} & set(self.labels):
            raise ValueError(f"review task {self.name}: '{UNCERTAIN}' and '{UNUSABLE}' are answers, not labels")
        if not set(self.acceptable) < set(self.labels):
            raise ValueError(
                f"review task {self.name}: acceptable labels {self.acceptable} must be some of {self.labels}, not all"
            )
        unknown = set(self.details) - set(self.labels)
        if unknown:
            raise ValueError(f"review task {self.name}: details of {sorted(unknown)}, which are no labels of it")

    @property
    def answers(self) -> tuple[str, ...]:
        """What a curator may answer: the labels, and that it cannot be told or judged."""
        return (*self.labels, UNCERTAIN, UNUSABLE)

    def class_id(self, label: str) -> int:
        """The class id of a label.

        Raises:
            ValueError: it is none of the task's labels.
        """
        if label not in self.labels:
            raise ValueError(f"'{label}' is no label of {self.name}; use one of {', '.join(self.labels)}")
        return self.labels.index(label)


REVIEW_TASKS: PluginRegistry[ReviewTask] = PluginRegistry(
    "structloop.review_tasks", lambda thing: isinstance(thing, ReviewTask)
)
"""All review tasks that are installed, by name."""


def tasks_curated_as(name: str) -> list[ReviewTask]:
    """The review tasks whose items are annotated and curated under that name, by their own name."""
    return sorted((task for task in REVIEW_TASKS if task.curated_as == name), key=lambda task: task.name)


__all__ = [
    "REVIEW_TASKS",
    "FindImages",
    "GateDefaults",
    "ReviewTask",
    "load_whole_image",
    "tasks_curated_as",
]
