"""What O-Net saw in a detection."""

from __future__ import annotations

from mtcnn.params import Params
from mtcnn.profiling import Profile

__all__ = ["onet_crops"]


def onet_crops(profile: Profile, p: Params) -> int:
    """Crops and their mirror images; of the second pass those of faces found alone, and of the first no mirror images
    where `mirror_range` chooses them: what it rejected, and what it chose, is not known."""
    views = 2 if p.mirror else 1
    first = views if (p.mirror_first or not p.second_pass) and p.mirror_range == (0, 1) else 1
    if not p.second_pass:
        return profile.onet_boxes * first
    return profile.onet_boxes * first + profile.faces * len(p.second_pass_scales) * views
