"""What is measured along lines and on planes of the weight space."""

import lazy_loader

# Loaded on first use: a stored result is read without Keras.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "connect_minima": ["connect_minima"],
        "cost": ["Cost", "estimate_cost"],
        "direction_bundle": ["direction_bundle"],
        "directions": ["random_directions"],
        "interpolate": ["interpolate"],
        "loss_surface": ["loss_surface", "surface_stages"],
        "plane": ["Plane"],
        "planes_around": ["hessian_plane", "random_plane"],
        "planes_through": ["plane_through", "trajectory_plane"],
        "project_trajectory": ["project_trajectory"],
        "results": [
            "Connection",
            "DirectionBundle",
            "Interpolation",
            "LossSurface",
            "ProjectedTrajectory",
        ],
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
