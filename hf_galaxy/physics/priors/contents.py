"""What is between the stars, and how they move: metals, dust, ionised gas of nuclei, velocity dispersion."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_galaxy.physics.distributions import piecewise_linear, truncated_normal, uniform
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import DustSettings, MetalSettings, NucleusSettings

GAS_RANGE = (-1.6, 0.397)  # log Z/Z☉; above, the grid of lines is not believed (Hα/Hβ up to 4.7 without dust)


def draw_metals(r: CounterRandom, p: dict[str, Tensor], s: MetalSettings) -> dict[str, Tensor]:
    """``metallicity``, ``poor_metallicity`` and ``gas_metallicity`` (Z/Z☉), ``poor_share`` and ``log_u``."""
    mass, free, spread = p["log_mass"], p["free"], p["spread"]
    stars = piecewise_linear(mass, (7.0, 8.0, 9.0, 10.0, 10.5, 11.0, 11.5), (-1.5, -1.2, -0.85, -0.4, -0.05, 0.1, 0.2))
    u, v = r.uniform("metallicity"), r.uniform("gas metallicity")
    passive = truncated_normal(u, stars + s.offset_passive, spread * s.scatter_passive, -2.0, 0.5)
    typical = torch.where(p["passive"], passive, truncated_normal(u, stars + s.offset, spread * s.scatter, -2.0, 0.5))
    gas = piecewise_linear(mass, (7.0, 8.0, 9.0, 10.0, 11.0), (-1.0, -0.65, -0.3, 0.05, 0.25))
    gas = truncated_normal(v, gas, torch.where(free, s.gas_scatter_broad, spread * s.gas_scatter), *GAS_RANGE)
    rich = torch.where(free, uniform(u, -2.0, 0.5), typical)
    return {
        "metallicity": 10**rich,
        "poor_metallicity": 10 ** (rich + s.poor_offset),
        "poor_share": s.poor * r.uniform("metal-poor stars"),
        "gas_metallicity": 10**gas,
        "log_u": truncated_normal(
            r.uniform("log u"), s.log_u + s.log_u_slope * gas, spread * s.log_u_scatter, -4.0, -1.3
        ),
    }


def draw_dust(r: CounterRandom, p: dict[str, Tensor], s: DustSettings) -> dict[str, Tensor]:
    """``av`` (mag), ``birth_cloud``, ``dust_slope``, ``dust_bump`` and ``lya_escape``."""
    mass, free, u = p["log_mass"], p["free"], r.uniform("av")
    forming = truncated_normal(u, piecewise_linear(mass, (8.0, 11.0), s.av), p["spread"] * s.av_scatter, 0.0, s.av_max)
    width = torch.where(r.uniform("dusty") < s.dusty, s.av_passive_dusty, s.av_passive) * p["spread"]
    clear = truncated_normal(u, 0.0, width, 0.0, min(2.0, s.av_max))
    av = torch.where(free, 3.0 / 3.5 * s.av_max * u**1.5, torch.where(p["passive"], clear, forming))
    slope = s.slope + torch.where(free, 0.0, s.slope_depth * torch.log10(av.clamp(0.05, 2.0)))
    return {
        "av": av,
        "birth_cloud": truncated_normal(r.uniform("birth cloud"), s.birth_cloud, s.birth_cloud_scatter, 1.0, 3.5),
        "dust_slope": truncated_normal(r.uniform("dust slope"), slope, p["spread"] * s.slope_scatter, -1.2, 0.5),
        "dust_bump": truncated_normal(r.uniform("dust bump"), 0.0, s.bump_scatter, 0.0, 4.0),
        "lya_escape": 0.3 * r.uniform("lya escape") ** 2,
    }


def draw_nucleus(r: CounterRandom, p: dict[str, Tensor], s: NucleusSettings) -> dict[str, Tensor]:
    """``seyfert`` and ``nuclear_ew``, the EW(Hα) in Å of what stars older than the birth clouds or a nucleus ionise."""
    u = r.uniform("nuclear ew")
    seyfert = r.uniform("nucleus") < torch.where(p["log_mass"] > 10, s.seyfert_massive, s.seyfert)
    absent = r.uniform("gas") < torch.where(p["passive"], s.absent_passive, s.absent)
    weak = torch.where(
        absent,
        truncated_normal(u, -1.4, 0.4, -2.5, 0.9),
        truncated_normal(u, s.liner_ew, s.liner_ew_scatter, -1.5, 0.9),
    )
    strong = truncated_normal(u, s.seyfert_ew, s.seyfert_ew_scatter, -0.3, 2.0)
    return {"seyfert": seyfert, "nuclear_ew": 10 ** torch.where(seyfert, strong, weak)}


def draw_dispersion(r: CounterRandom, p: dict[str, Tensor], scatter: float) -> dict[str, Tensor]:
    """``velocity_dispersion`` in km/s, of stars and gas; nothing if ``scatter`` (dex) is negative."""
    if scatter < 0:
        return {}
    mass = p["log_mass"]
    typical = torch.where(p["passive"], 2.30 + 0.28 * (mass - 11.0), 2.15 + 0.25 * (mass - 11.0))
    sigma = truncated_normal(r.uniform("dispersion"), typical.clamp(1.4, 2.55), scatter, 1.2, 2.65)
    return {"velocity_dispersion": 10**sigma}


__all__ = ["draw_dispersion", "draw_dust", "draw_metals", "draw_nucleus"]
