"""What is known of albumentations' transforms, by name: which are refused, take only some bands, resize, or fill masks."""

from __future__ import annotations

GROUPS = ("OneOf", "OneOrOther", "RandomOrder", "SelectiveChannelTransform", "Sequential", "SomeOf")
"""Transforms made of transforms."""

REFUSED = {
    **dict.fromkeys(
        ("AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop"),
        "works on boxes, which masks have not: use the recipe's `crop` with class_aware",
    ),
    **dict.fromkeys(
        ("FDA", "HistogramMatching", "Mosaic", "OverlayElements", "PixelDistributionAdaptation", "TextImage"),
        "needs other images or fonts at hand: use the recipe's `copy_paste`, or augment in your own code",
    ),
    **dict.fromkeys(
        ("CenterCrop3D", "CoarseDropout3D", "CubicSymmetry", "Pad3D", "PadIfNeeded3D", "RandomCrop3D", "ToTensor3D"),
        "works on volumes",
    ),
    **dict.fromkeys(
        ("FromFloat", "ToFloat", "ToTensorV2", "Normalize"),
        "changes what pixels are: that is the recipe's `normalise`, which comes after the transforms",
    ),
    "ToRGB": "changes the number of bands: convert the images instead",
    "Lambda": "is a function, which a recipe cannot hold: augment in your own code",
    "Morphological": "makes regions of higher class ids grow over lower ones: class ids have no order",
    "MaskDropout": "takes whatever is labelled for one object: use CoarseDropout, or the recipe's `copy_paste`",
}
"""Transforms that have no meaning in a recipe, and the way out."""

BANDS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("CLAHE", "ColorJitter", "Equalize", "GridElasticDeform", "RGBShift", "ToSepia"),
        (1, 3),
    ),
    **dict.fromkeys(
        (
            "ChromaticAberration", "HEStain", "HueSaturationValue", "ISONoise", "PlanckianJitter", "RandomFog",
            "RandomGravel", "RandomRain", "RandomSnow", "RandomSunFlare", "Spatter", "ToGray",
        ),
        (3,),
    ),
}  # fmt: skip
"""How many bands a transform takes, if not any number."""

VALUES = {"CropNonEmptyMaskIfExists": "ignore_values", "ConstrainedCoarseDropout": "mask_indices"}
"""Arguments that hold mask values."""

RESIZING = (
    "CropAndPad", "LongestMaxSize", "RandomResizedCrop", "RandomScale", "RandomSizedCrop", "Resize", "SmallestMaxSize",
)  # fmt: skip
"""Transforms that bring images to a size, under which masks lie only with OpenCV's INTER_NEAREST_EXACT: see `segdata.resize`."""

FILLS = ("fill_mask", "mask_drop_value")
"""Arguments that say what a mask is filled with: here always ignore, or nothing (null) if a transform can leave it."""
