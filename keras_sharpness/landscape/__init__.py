"""What is measured along lines and on planes of the weight space."""

import lazy_loader

# Loaded on first use: a stored result is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bundle": ["DirectionBundle"],
        "connect_minima": ["connect_minima"],
        "connection": ["Connection"],
        "cost": ["Cost", "estimate_cost"],
        "direction_bundle": ["direction_bundle"],
        "directions": ["random_directions"],
        "interpolate": ["interpolate"],
        "interpolation": ["Interpolation"],
        "loss_surface": ["loss_surface"],
        "plane": ["Plane"],
        "plane_hessian": ["hessian_plane"],
        "plane_models": ["plane_through"],
        "plane_random": ["random_plane"],
        "plane_trajectory": ["trajectory_plane"],
        "project_trajectory": ["project_trajectory"],
        "projection": ["ProjectedTrajectory"],
        "stages": ["surface_stages"],
        "surface": ["LossSurface"],
    },
)

__all__ = [
    "Connection",
    "Cost",
    "DirectionBundle",
    "Interpolation",
    "LossSurface",
    "Plane",
    "ProjectedTrajectory",
    "connect_minima",
    "direction_bundle",
    "estimate_cost",
    "hessian_plane",
    "interpolate",
    "loss_surface",
    "plane_through",
    "project_trajectory",
    "random_directions",
    "random_plane",
    "surface_stages",
    "trajectory_plane",
]
