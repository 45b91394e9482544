"""What every loss must do: leave void out, stay finite, agree with torch's own or a plain numpy of the formula."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from segdata.errors import OptionError  # noqa: E402
from segdata.nn import losses  # noqa: E402

IGNORE = 255
SPECS = [
    *losses.LOSSES, "ce(smoothing=0.1)", "focal(gamma=0.5)", "tversky(alpha=0.1,beta=0.9)", "ohem(threshold=0.3,keep=0.5)",
    "ce+dice", "0.5*ce+0.5*lovasz", "dice(smooth=0)", "iou(smooth=0)", "tversky(smooth=0)",
    "tversky(alpha=0,beta=1,smooth=0)", "tversky(alpha=1,beta=0,smooth=0)",
]  # fmt: skip
WEIGHTS = [0.5, 2.0, 1.0, 4.0, 0.0]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def batch(seed: int = 0, classes: int = 5, void: float = 0.3) -> tuple[Any, Any]:
    """Logits `(2, K, 6, 7)` that want a gradient, and a target in which class K - 2 does not occur."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, (2, 6, 7))
    target[target == max(classes - 2, 1)] = 0
    target[rng.random(target.shape) < void] = IGNORE
    logits = 2 * rng.standard_normal((2, classes, 6, 7))
    return torch.tensor(logits, dtype=torch.float32, requires_grad=True), torch.tensor(target)


def value_and_gradient(spec: str, logits: Any, target: Any, **options: Any) -> tuple[float, Any]:
    logits = logits.detach().clone().requires_grad_()
    value = losses.build(spec, classes=logits.shape[1], ignore=IGNORE, **options)(logits, target)
    assert value.shape == ()
    assert value.dtype == torch.float32
    value.backward()
    return value.item(), logits.grad


def cases(spec: str) -> list[dict[str, Any]]:
    heads = ["softmax"] if spec.startswith(losses.EXCLUSIVE) or "ce+" in spec else ["softmax", "sigmoid"]
    return [{"head": head, "weights": weights} for head in heads for weights in (None, WEIGHTS)]


@pytest.mark.parametrize("spec", SPECS)
def test_logits_under_void_change_neither_value_nor_gradient(spec: str) -> None:
    logits, target = batch()
    void = (target == IGNORE)[:, None].expand_as(logits)
    for options in cases(spec):
        value, gradient = value_and_gradient(spec, logits, target, **options)
        for other in (torch.randn_like(logits) * 50, torch.full_like(logits, float("inf"))):
            changed, changed_gradient = value_and_gradient(spec, torch.where(void, other, logits), target, **options)
            assert changed == value
            assert torch.equal(changed_gradient, gradient)
        assert not gradient[void].any()
        assert gradient.isfinite().all()
        assert gradient.any()


@pytest.mark.parametrize("spec", SPECS)
def test_void_alone_is_zero_with_zero_gradient(spec: str) -> None:
    logits, target = batch()
    for options in cases(spec):
        value, gradient = value_and_gradient(spec, logits, torch.full_like(target, IGNORE), **options)
        assert value == 0
        assert gradient is not None
        assert not gradient.any()


@pytest.mark.parametrize("spec", SPECS)
def test_labelled_with_weight_zero_alone_is_finite(spec: str) -> None:
    logits, target = batch()
    for options in cases(spec):
        if options["weights"]:
            value, gradient = value_and_gradient(spec, logits, torch.full_like(target, 4), **options)
            assert np.isfinite(value)
            assert gradient.isfinite().all()


@pytest.mark.parametrize("spec", SPECS)
def test_the_right_answer_costs_less_and_a_step_downhill_lowers_it(spec: str) -> None:
    logits, target = batch()
    right = torch.nn.functional.one_hot(target.where(target != IGNORE, 0), 5).movedim(-1, 1).float()
    for options in cases(spec):
        good, _ = value_and_gradient(spec, 20 * right - 10, target, **options)
        bad, _ = value_and_gradient(spec, 10 - 20 * right, target, **options)
        assert -1e-6 <= good < bad
        if "smoothing" not in spec:
            assert good < 0.01
        value, gradient = value_and_gradient(spec, logits, target, **options)
        assert value_and_gradient(spec, logits - 0.01 * gradient, target, **options)[0] < value


@pytest.mark.parametrize("spec", SPECS)
def test_half_precision_and_channels_last_give_float32(spec: str) -> None:
    logits, target = batch()
    half = logits.detach().bfloat16().to(memory_format=torch.channels_last)
    loss = losses.build(spec, classes=5, ignore=IGNORE)
    torch.testing.assert_close(loss(half, target), loss(half.float(), target))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("extreme", [1e4, -1e4])
def test_extreme_logits_stay_finite(spec: str, extreme: float) -> None:
    logits, target = batch()
    logits = logits.detach()
    logits[:, 0] = extreme
    value, gradient = value_and_gradient(spec, logits, target)
    assert np.isfinite(value)
    assert gradient.isfinite().all()


# Plain numpy of the formulas, in float64, pixel by pixel or class by class


def flat(logits: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """`(P, K)` and `(P,)` of the labelled pixels."""
    z = np.moveaxis(logits.detach().numpy().astype(np.float64), 1, -1).reshape(-1, logits.shape[1])
    y = target.numpy().reshape(-1)
    return z[y != IGNORE], y[y != IGNORE]


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


def mean(values: list[float], weights: list[float]) -> float:
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def oracle(name: str, z: np.ndarray, y: np.ndarray, weights: list[float], head: str = "softmax", **o: float) -> float:
    """The loss by its formula."""
    classes = z.shape[1]
    p = softmax(z) if head == "softmax" else sigmoid(z)
    own = [weights[c] for c in y]
    if name == "ce":
        return mean([-np.log(p[i, c]) for i, c in enumerate(y)], own)
    if name == "focal" and head == "softmax":
        return mean([-((1 - p[i, c]) ** o["gamma"]) * np.log(p[i, c]) for i, c in enumerate(y)], own)
    if name in ("bce", "focal"):
        q = sigmoid(z)
        true = np.array([[q[i, k] if k == c else 1 - q[i, k] for k in range(classes)] for i, c in enumerate(y)])
        return mean(list((-((1 - true) ** o.get("gamma", 0)) * np.log(true)).mean(1)), own)
    if name == "ohem":
        each = np.array([-np.log(p[i, c]) for i, c in enumerate(y)])
        least = np.sort(each)[::-1][max(1, round(o["keep"] * len(y))) - 1]
        hard = each >= min(least, -np.log(o["threshold"]))
        return mean(list(each[hard]), list(np.array(own)[hard]))
    present = sorted(set(y.tolist()))
    of = {"dice": dice, "iou": iou, "tversky": tversky, "lovasz": lovasz}[name]
    return mean([of(p[:, k], (y == k).astype(float), **o) for k in present], [weights[k] for k in present])


def dice(p: np.ndarray, t: np.ndarray, smooth: float = 1) -> float:
    return float(1 - (2 * (p * t).sum() + smooth) / (p.sum() + t.sum() + smooth))


def iou(p: np.ndarray, t: np.ndarray, smooth: float = 1) -> float:
    return float(1 - ((p * t).sum() + smooth) / ((p + t - p * t).sum() + smooth))


def tversky(p: np.ndarray, t: np.ndarray, alpha: float, beta: float) -> float:
    hit = (p * t).sum() + 1
    return float(1 - hit / (hit + alpha * (p * (1 - t)).sum() + beta * ((1 - p) * t).sum()))


def lovasz(p: np.ndarray, t: np.ndarray) -> float:
    """Equation 9 of the paper: the sum of m_i (J(first i) - J(first i - 1)), where J counts the set of mistaken pixels."""
    errors = np.abs(t - p)
    order = np.argsort(-errors, kind="stable")

    def jaccard_loss(mistaken: np.ndarray) -> float:
        wrong = np.zeros(len(t), bool)
        wrong[mistaken] = True
        said = np.where(wrong, 1 - t, t)
        return float(1 - (said * t).sum() / np.maximum(said, t).sum())

    steps = [jaccard_loss(order[: i + 1]) - jaccard_loss(order[:i]) for i in range(len(t))]
    return float(np.dot(errors[order], steps))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ce", {}), ("bce", {}), ("focal", {"gamma": 2.0}), ("focal", {"gamma": 0.5}), ("dice", {}), ("iou", {"smooth": 3.0}),
        ("tversky", {"alpha": 0.2, "beta": 0.8}), ("lovasz", {}), ("ohem", {"threshold": 0.4, "keep": 0.3}),
        ("ohem", {"threshold": 0.001, "keep": 0.25}),
    ],
)  # fmt: skip
def test_a_loss_is_its_formula(name: str, options: dict[str, float], classes: int) -> None:
    spec = name + f"({','.join(f'{k}={v}' for k, v in options.items())})" * bool(options)
    for seed in range(3):
        logits, target = batch(seed, classes)
        z, y = flat(logits, target)
        for head in ["softmax"] + ["sigmoid"] * (name not in losses.EXCLUSIVE and classes > 2):
            for weights in (None, [0.5, 2.0, 1.0, 4.0, 0.3][:classes]):
                loss = losses.build(spec, classes=classes, ignore=IGNORE, weights=weights, head=head)
                if name == "bce" and classes == 2:
                    d = np.stack([z[:, 0] * 0, z[:, 1] - z[:, 0]], 1)  # the one question is the softmax of two
                    wanted = oracle("ce", d, y, weights or [1.0] * 2)
                else:
                    wanted = oracle(name, z, y, weights or [1.0] * classes, head, **options)
                assert loss(logits, target).item() == pytest.approx(wanted, rel=1e-4), (head, weights, seed)


@given(st.integers(0, 1000), st.floats(0, 0.9), st.booleans())
def test_cross_entropy_is_torchs_own(seed: int, smoothing: float, weighted: bool) -> None:
    """Value and gradient, weights, smoothing and ignored pixels."""
    logits, target = batch(seed)
    weights = [0.5, 2.0, 1.0, 4.0, 0.3] if weighted else None
    reference = torch.nn.CrossEntropyLoss(
        weight=None if weights is None else torch.tensor(weights), ignore_index=IGNORE, label_smoothing=smoothing
    )
    wanted = reference(logits, target)
    (wanted_gradient,) = torch.autograd.grad(wanted, logits)
    spec = f"ce(smoothing={smoothing!r})"
    value, gradient = value_and_gradient(spec, logits, target, weights=weights)
    assert value == pytest.approx(wanted.item(), rel=1e-5)
    torch.testing.assert_close(gradient, wanted_gradient)


def test_relations_between_losses() -> None:
    logits, target = batch(7)

    def value(spec: str, **options: Any) -> float:
        return value_and_gradient(spec, logits, target, **options)[0]

    assert value("focal(gamma=0)") == pytest.approx(value("ce"), rel=1e-5)
    assert value("ohem(keep=1)") == pytest.approx(value("ce"), rel=1e-5)
    assert value("tversky(alpha=0.5,beta=0.5,smooth=0)") == pytest.approx(value("dice(smooth=0)"), rel=1e-5)
    assert value("tversky(alpha=1,beta=1)") == pytest.approx(value("iou"), rel=1e-5)
    assert value("0.25*ce + 2*dice") == pytest.approx(0.25 * value("ce") + 2 * value("dice"), rel=1e-5)
    assert value("ce", weights=[3.0] * 5) == pytest.approx(value("ce"), rel=1e-5)


def test_lovasz_of_hard_answers_is_the_mean_of_one_minus_iou() -> None:
    """The extension meets the Jaccard loss at the corners of the cube."""
    logits, target = batch(3)
    said = logits.argmax(1)
    hard = 1e4 * torch.nn.functional.one_hot(said, 5).movedim(-1, 1).float()
    known = target != IGNORE
    ious = [((said == k) & (target == k)).sum() / (((said == k) & known) | (target == k)).sum() for k in (0, 1, 2, 4)]
    wanted = 1 - sum(ious) / 4
    assert losses.build("lovasz", classes=5, ignore=IGNORE)(hard, target).item() == pytest.approx(
        wanted.item(), rel=1e-5
    )


def test_every_option_of_a_loss_has_a_range_that_holds_its_default() -> None:
    for loss in losses.LOSSES.values():
        for name, parameter in list(inspect.signature(loss).parameters.items())[1:]:
            assert losses.RANGES[name][0](parameter.default)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("cee", {}, "no loss 'cee': did you mean ce"),
        ("ce+", {}, "loss '': write NAME"),
        ("focal(alpha=1)", {}, "loss focal has no option 'alpha': it takes gamma"),
        ("lovasz(a=1)", {}, "it takes none"),
        ("focal(gamma=x)", {}, "'x' is not a number"),
        ("1.2.3*ce", {}, "'1.2.3' is not a number"),
        ("ohem(threshold=0)", {}, "loss ohem: threshold must be above 0 and up to 1, not 0"),
        ("ohem(threshold=1.5)", {}, "above 0 and up to 1, not 1.5"),
        ("ohem(keep=5)", {}, "loss ohem: keep must be from 0 to 1, not 5"),
        ("ce(smoothing=2)", {}, "loss ce: smoothing must be from 0 to below 1, not 2"),
        ("ce(smoothing=-1)", {}, "not -1"),
        ("ce+ce(smoothing=nan)", {}, "not nan"),
        ("tversky(alpha=-1)", {}, "loss tversky: alpha must be 0 or more, not -1"),
        ("tversky(beta=inf)", {}, "beta must be 0 or more, not inf"),
        ("dice(smooth=-1)", {}, "smooth must be 0 or more, not -1"),
        ("focal(gamma=-1)", {}, "gamma must be 0 or more, not -1"),
        ("0*ce+dice", {}, r"loss '0\*ce': the factor must be above 0, not 0"),
        ("1e999*ce", {}, "above 0, not inf"),
        ("ce", {"weights": [1.0]}, "1 class weights for 3 classes"),
        ("ce", {"weights": [1.0, -1.0, 1.0]}, "none below 0"),
        ("ce", {"weights": [0.0, 0.0, 0.0]}, "not all 0"),
        ("ce", {"weights": [1.0, float("inf"), 1.0]}, "finite"),
        ("bce+ce", {"head": "sigmoid"}, "with --head sigmoid use bce or focal"),
    ],
)
def test_what_cannot_be_is_refused(spec: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        losses.build(spec, classes=3, ignore=IGNORE, **options)


def test_a_loss_prints_as_it_is_written() -> None:
    assert repr(losses.build("0.5*ce(smoothing=0.1)+tversky", classes=3, ignore=IGNORE)) == (
        "Loss(0.5*ce(smoothing=0.1)+tversky)"
    )
    assert str(losses.parse("1e-3*focal(gamma=3)")[0]) == "0.001*focal(gamma=3)"
