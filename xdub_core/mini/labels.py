"""What the mini's networks predict of a face and of a mouth: the labels that their training data comes with.

A mouth is one row of `MOUTH_PARAMETERS`:

- aperture 0..1: inner opening of the lips
- width -1..1: corners drawn in (u) to spread (i)
- protrusion 0..1: rounding, lips pushed forward
- jaw 0..1: the chin's lowering
- press 0..1: lips pressed together (p, b, m)
- teeth 0..1: how much of the upper teeth shows
- tongue 0..1: the tongue's height in the opening
- bite 0..1: lower lip under the upper teeth (f, v)
"""

MOUTH_PARAMETERS = ("aperture", "width", "protrusion", "jaw", "press", "teeth", "tongue", "bite")
LANDMARK_NAMES = (
    "mouth left", "mouth right", "upper lip top", "lower lip bottom",
    "upper lip inner", "lower lip inner", "inner left", "inner right",
    "left eye", "right eye", "nose", "chin",
    "jaw left", "jaw right", "brow left", "brow right",
)  # fmt: skip
MOUTH_POINTS = slice(0, 8)
"""The lips among the landmarks."""
