"""The outcome of comparing small-batch with large-batch training."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import scipy.special

from keras_sharpness.results import Result

# Columns of the frame, what the table calls them, and their format.
_ROWS = (
    ("train_accuracy", "train accuracy (%)", 100.0, "{:.2f}"),
    ("test_accuracy", "test accuracy (%)", 100.0, "{:.2f}"),
    ("train_loss", "train loss", 1.0, "{:.3g}"),
    ("test_loss", "test loss", 1.0, "{:.3g}"),
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Comparison(Result):
    """What was measured of every run of a comparison.

    Attributes:
        rows: Tuple of dicts, one per run: seed, batch (`"small"` or
            `"large"`), batch_size, epochs, updates, accuracies and losses,
            `sharpness_<ε>_full` and `…_subspace` in percent, `eigenvalue_1` …
            and `distance_from_start`.
        barriers: Dict from path and split, e.g. `"linear/train"`, to the
            barriers between the pairs, one per seed.
        settings: Dict. What was asked for.
        folder: Str. Where the runs are.
    """

    rows: tuple[dict[str, Any], ...]
    barriers: dict[str, Any]
    settings: dict[str, Any]
    folder: str

    def to_frame(self) -> pd.DataFrame:
        """One row per run."""
        return pd.DataFrame(list(self.rows))

    def sharpness_frame(self) -> pd.DataFrame:
        """One row per run, ε and space: epsilon, space, sharpness, ….

        Returns:
            A tidy DataFrame, the sharpness in percent.
        """
        frame = self.to_frame()
        names = [name for name in frame if name.startswith("sharpness_")]
        keep = ["seed", "batch", "batch_size", "train_accuracy"]
        keep += ["test_accuracy", "train_loss", "test_loss"]
        parts = []
        for name in names:
            _, epsilon, space = name.split("_")
            part = frame[[n for n in keep if n in frame]].copy()
            part["epsilon"] = float(epsilon)
            part["space"] = space
            part["sharpness"] = frame[name]
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """The paper's table: mean ± standard deviation over the seeds.

        Returns:
            A DataFrame of strings, one row per quantity and the columns
            `small batch …`, `large batch …` and `large / small`. Standard
            deviations are those of a sample (n − 1).
        """
        frame = self.to_frame()
        groups = {
            kind: frame[frame["batch"] == kind] for kind in ("small", "large")
        }
        sizes = {
            kind: int(group["batch_size"].iloc[0])
            for kind, group in groups.items()
        }
        table = {}
        for column, label, factor, template in self._quantities(frame):
            values = {
                kind: factor * group[column].astype(float)
                for kind, group in groups.items()
            }
            ratio = values["large"].mean() / values["small"].mean()
            table[label] = {
                **{
                    f"{kind} batch ({sizes[kind]})": _mean_and_spread(
                        values[kind], template
                    )
                    for kind in groups
                },
                "large / small": f"{ratio:.3g}",
            }
        return pd.DataFrame.from_dict(table, orient="index")

    def verdict(self) -> list[str]:
        """The comparison in sentences, with the numbers they rest on."""
        frame = self.sharpness_frame()
        full = frame[frame["space"] == "full"]
        epsilon = full["epsilon"].max()
        chosen = full[full["epsilon"] == epsilon]
        means = chosen.groupby("batch")[["sharpness", "test_accuracy"]].mean()
        small, large = means.loc["small"], means.loc["large"]
        ratio = large["sharpness"] / small["sharpness"]
        seeds = frame["seed"].nunique()
        which, other = ("large", "small") if ratio > 1 else ("small", "large")
        sentences = [
            f"Over {seeds} seed{'s' if seeds > 1 else ''}, the {which}-batch "
            f"minimum is {max(ratio, 1 / ratio):.3g} times sharper: its "
            f"ε-sharpness φ (ε = {epsilon:g}, full space) is "
            f"{means.loc[which, 'sharpness']:.4g} % against "
            f"{means.loc[other, 'sharpness']:.4g} %."
        ]
        pairs = chosen.pivot(
            index="seed", columns="batch", values="test_accuracy"
        )
        gaps = 100 * (pairs["large"] - pairs["small"])
        accuracies = (
            f"{100 * small['test_accuracy']:.2f} % (small batch) against "
            f"{100 * large['test_accuracy']:.2f} % (large batch)"
        )
        return [*sentences, _generalisation(gaps.to_numpy(), accuracies)]

    def _quantities(
        self, frame: pd.DataFrame
    ) -> list[tuple[str, str, float, str]]:
        rows = [row for row in _ROWS if row[0] in frame]
        for name in frame:
            if name.startswith("sharpness_"):
                _, epsilon, space = name.split("_")
                where = "" if space == "full" else ", subspace"
                label = f"φ, ε = {epsilon}{where} (%)"
                rows.append((name, label, 1.0, "{:.4g}"))
            if name.startswith("eigenvalue_"):
                rank = name.split("_")[1]
                label = f"eigenvalue {rank}"
                rows.append((name, label, 1.0, "{:.4g}"))
        rows.append(
            ("distance_from_start", "distance from start", 1.0, "{:.3g}")
        )
        rows.append(("epochs", "epochs", 1.0, "{:.0f}"))
        rows.append(("updates", "updates", 1.0, "{:.0f}"))
        return rows


def _mean_and_spread(values: pd.Series, template: str) -> str:
    mean = template.format(values.mean())
    if len(values) == 1:
        return mean
    return f"{mean} ± {template.format(values.std(ddof=1))}"


def _generalisation(gaps: np.ndarray, accuracies: str) -> str:
    """Which minimum generalises better, as far as the seeds can tell.

    Args:
        gaps: Array. Of each seed, the percentage points of test accuracy that
            the large batch has more.
        accuracies: Str. Both.
    """
    gap = gaps.mean()
    if not gaps.any():
        return f"Both generalise alike: test accuracy {accuracies}."
    better = "large" if gap > 0 else "small"
    if len(gaps) == 1:
        return (
            f"In this seed the {better}-batch minimum generalises better: test "
            f"accuracy {accuracies}. One seed cannot tell whether by chance."
        )
    # Pairs share a seed, and there are few of them: Student's t.
    margin = scipy.special.stdtrit(len(gaps) - 1, 0.975)
    margin *= gaps.std(ddof=1) / np.sqrt(len(gaps))
    difference = (
        f"test accuracy {accuracies}, a difference of {gap:+.2f} percentage "
        f"points, 95 % confidence interval {gap - margin:+.2f} to "
        f"{gap + margin:+.2f}"
    )
    if margin >= abs(gap):
        return (
            f"{len(gaps)} seeds cannot tell which minimum generalises better: "
            f"{difference}."
        )
    return f"The {better}-batch minimum generalises better: {difference}."
