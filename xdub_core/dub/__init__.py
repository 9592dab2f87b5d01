"""The front door: a scene, its clips and shots, their chain, and the finished frames."""
