"""Devices as a static estimate sees them: numbers, and where each number comes from.

`SOURCES` names the origin of every field of `Device`. "assumed" is a number of ours, or one remembered of a
page that was not read again; it is what a calibration (`calibration.py`) is there to correct.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

_GUIDE = "https://docs.nvidia.com/cuda/cuda-c-programming-guide/#features-and-technical-specifications"
_TUNING = "https://docs.nvidia.com/cuda/hopper-tuning-guide/index.html"
_H100 = "https://resources.nvidia.com/en-us-tensor-core/nvidia-tensor-core-gpu-datasheet"
_H200 = "https://www.nvidia.com/en-us/data-center/h200/"
_CALCULATOR = "https://docs.nvidia.com/nsight-compute/NsightCompute/index.html#occupancy-calculator"
_UNITS = "https://docs.nvidia.com/nsight-compute/ProfilingGuide/index.html#metrics-decoder"
_PAPER = "https://developer.nvidia.com/blog/nvidia-hopper-architecture-in-depth/"
_MICRO = "https://arxiv.org/abs/2402.13499"
_CHIPS = "https://chipsandcheese.com/p/nvidias-h100-funny-l2-and-tons-of-bandwidth"


@dataclass(frozen=True)
class Device:
    """A GPU. Rates are what a good kernel sustains, not peaks of a data sheet; bytes, seconds, hertz."""

    name: str
    multiprocessors: int
    warps: int
    """Resident warps of a multiprocessor, at most; likewise the next three."""
    blocks: int
    registers: int
    shared: int
    register_unit: int
    """Registers are given to a warp in such lots."""
    shared_unit: int
    shared_reserved: int
    """Shared memory that the system takes from every block."""
    block_shared: int
    """Shared memory of one block, at most."""
    l1: int
    """L1 cache and shared memory together, of one multiprocessor."""
    l2: int
    clock: float
    dram_rate: float
    l2_rate: float
    merged: float
    """Share of requests for what another program asks for too that are merged on their way to L2."""
    port_rate: float
    """Bytes that one multiprocessor takes from L2 in a clock."""
    tensor_rates: Mapping[str, float]
    """Floating-point operations a second of all tensor cores, by precision of the operands, through
    `wgmma`."""
    synchronous: float
    """Share of that which `mma.sync` reaches."""
    dram_latency: float
    l2_latency: float
    l1_latency: float
    instruction_cycles: float
    """Clocks from one instruction of a warp to its next, dependencies and parallelism within the warp
    mixed."""
    barrier_cycles: float
    spill_cycles: float
    """Clocks that an access to a spilled register adds."""
    launch: float
    """Seconds from one kernel's end to the next one's start, without host time."""
    l2_useful: float
    """Share of L2 that keeps what is read again: half is far from any multiprocessor, and lines compete."""
    overlap: float
    """Share of what does not bound a kernel that still adds to it."""

    @property
    def float32_rate(self) -> float:
        """Operations a second of the CUDA cores in float32: 128 multiply-adds a clock and multiprocessor."""
        return 2 * 128 * self.multiprocessors * self.clock


H100 = Device(
    name="H100 SXM",
    multiprocessors=132,
    warps=64,
    blocks=32,
    registers=65_536,
    shared=233_472,
    register_unit=256,
    shared_unit=128,
    shared_reserved=1024,
    block_shared=232_448,
    l1=262_144,
    l2=52_428_800,
    clock=1.70e9,
    dram_rate=3.0e12,
    l2_rate=7.0e12,
    merged=0.5,
    port_rate=64.0,
    tensor_rates={
        "bf16": 798e12,
        "fp16": 798e12,
        "tf32": 400e12,
        "fp8": 1500e12,
        "int8": 1500e12,
        "fp64": 54e12,
    },
    synchronous=0.62,
    dram_latency=0.65e-6,
    l2_latency=0.16e-6,
    l1_latency=0.02e-6,
    instruction_cycles=2.0,
    barrier_cycles=30.0,
    spill_cycles=8.0,
    launch=2.2e-6,
    l2_useful=0.6,
    overlap=0.15,
)
H200 = replace(H100, name="H200 SXM", dram_rate=4.3e12)
DEVICES: Mapping[str, Device] = {"NVIDIA H100 80GB HBM3": H100, "NVIDIA H200": H200}
"""By the name that a driver gives them."""

SOURCES: Mapping[str, str] = {
    "multiprocessors": _PAPER,
    "warps": _GUIDE,
    "blocks": _GUIDE,
    "registers": _GUIDE,
    "shared": _TUNING,
    "register_unit": _CALCULATOR,
    "shared_unit": _CALCULATOR,
    "shared_reserved": _TUNING,
    "block_shared": _TUNING,
    "l1": _TUNING,
    "l2": _PAPER,
    "clock": f"assumed: what is held under load; the highest boost is 1.98 GHz, {_H100}",
    "dram_rate": f"assumed: nine tenths of the peak, 3.35 TB/s ({_H100}) and 4.8 TB/s ({_H200})",
    "l2_rate": f"assumed: 5.5 TB/s as remembered of {_CHIPS}, for more multiprocessors at a higher clock",
    "merged": f"assumed: neighbours ask together; the unit that merges is the LRC in {_UNITS}",
    "port_rate": f"assumed: as remembered of {_MICRO}",
    "tensor_rates": f"assumed: eight tenths of the dense peak, 989 TFLOP/s in bf16 ({_H100}), for power",
    "synchronous": f"assumed: as remembered of {_MICRO}, which measured it",
    "dram_latency": f"assumed: under load; an idle card answers in less, {_CHIPS}",
    "l2_latency": f"assumed: as remembered of {_CHIPS} and {_MICRO}",
    "l1_latency": f"assumed: some 33 clocks, as remembered of {_MICRO}",
    "instruction_cycles": "assumed: arithmetic answers after four clocks, two chains in a warp",
    "barrier_cycles": "assumed",
    "spill_cycles": f"assumed: L1 answers after some 33 clocks ({_MICRO}), four at a time",
    "launch": "assumed: between kernels of one captured graph",
    "l2_useful": f"assumed: for the two halves of L2 that are described in {_CHIPS}",
    "overlap": "assumed",
}
"""Origin of every field but the name."""

PIPES: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "float32": (4.0, ("FFMA", "FADD", "FMUL", "FMNMX", "FSETP", "FSEL", "HFMA2", "HADD2", "HMUL2", "HMNMX2")),
    "integer": (
        2.0,
        ("IMAD", "IADD3", "LOP3", "SHF", "ISETP", "LEA", "VIADD", "IABS", "SEL", "PRMT", "IMNMX"),
    ),
    "special": (0.5, ("MUFU",)),
    "conversion": (2.0, ("F2F", "F2I", "I2F", "F2FP", "I2FP", "FRND")),
    "double": (2.0, ("DFMA", "DADD", "DMUL", "DSETP", "DMNMX")),
    "shuffle": (1.0, ("SHFL",)),
}
"""Warp instructions a clock and multiprocessor of each unit, and the instructions that use it:
https://docs.nvidia.com/cuda/cuda-c-programming-guide/#arithmetic-instructions.

Which instruction uses which unit is assumed where the guide does not name it."""
ISSUE_RATE = 4.0
"""Warp instructions a clock and multiprocessor, of any kind: four schedulers,
https://docs.nvidia.com/cuda/hopper-tuning-guide/."""
SHARED_RATE = 128.0
"""Bytes a clock and multiprocessor through shared memory and L1: 32 banks of four bytes, CUDA programming
guide."""


class CannotLaunch(ValueError):
    """No block of a kernel fits a multiprocessor; says which resource is short."""


def occupancy(registers: int, warps: int, shared: int, device: Device = H100) -> tuple[int, str]:
    """(Blocks that live on one multiprocessor at once, what keeps there from being more).

    `registers` of a thread, `warps` of a block, `shared` bytes of a block. The arithmetic of NVIDIA's
    occupancy calculator. Raises `CannotLaunch` where not one block fits.
    """
    unit = device.register_unit
    warp_registers = -(-max(registers, 1) * 32 // unit) * unit
    block_shared = -(-shared // device.shared_unit) * device.shared_unit + device.shared_reserved
    # each of the four schedulers has its own quarter of the registers
    by_registers = device.registers // 4 // warp_registers * 4 // warps
    limits = {
        "warps": device.warps // warps,
        "blocks": device.blocks,
        "registers": by_registers,
        "shared": device.shared // block_shared if shared <= device.block_shared else 0,
    }
    least = min(limits, key=lambda name: limits[name])
    if limits[least] < 1:
        raise CannotLaunch(
            f"a block of {warps} warps with {registers} registers a thread and {shared} bytes of shared "
            f"memory fits no multiprocessor of {device.name}: too much of its {least}; use fewer warps or "
            "smaller tiles"
        )
    return limits[least], least
