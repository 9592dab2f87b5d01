"""The mini's networks as a set of judges. They are trained on rendered heads only."""

from __future__ import annotations

from functools import partial

from xdub_core.evaluation.judges import Judges
from xdub_core.mini.identity_net import feature_distance, identity_similarity
from xdub_core.mini.network_files import MiniNetworks
from xdub_core.mini.syncnet import MiniSyncScorer


def mini_judges(networks: MiniNetworks) -> Judges:
    """The judges that come with a mini."""
    return Judges(
        sync=MiniSyncScorer(networks.sync),
        landmarks=networks.landmarks,
        identity=partial(identity_similarity, networks.identity),
        perceptual=partial(feature_distance, networks.identity),
    )
