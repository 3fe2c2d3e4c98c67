"""Write small files of vendors.

pylibCZIrw writes CZI. No library writes nd2 and LIF: the functions here write the parts of these
formats that the libraries read.
"""

import struct
from xml.etree import ElementTree

import numpy as np
import pytest

_RNG = np.random.default_rng(0)


def noise(*shape, dtype=np.uint16):
    return _RNG.integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def library(name):
    """Skip a test whose library is not installed."""
    return pytest.importorskip(name, reason=f"{name} is not installed")


# Nikon

_MAGIC = 0x0ABECEDA
_NAME_LENGTH = 4072  # so that pixels begin 4096 bytes after their chunk
_END = b"ND2 CHUNK MAP SIGNATURE 0000001!"


def write_nd2(path, frames, loops=(), *, n_frames=None, **described):
    """Write frames of shape (n, height, width, channels) or (n, height, width, channels, 3).

    `loops` are dicts of ``eType`` (1 time, 2 positions, 4 sections) and their parameters, the
    outermost first; `described` are calibration, names and compression.
    """
    n, height, width, n_channels, *colors = frames.shape
    n_components = n_channels * (colors[0] if colors else 1)
    bits = 8 * frames.dtype.itemsize
    attributes = {
        "uiWidth": width, "uiHeight": height, "uiComp": n_components, "uiBpcInMemory": bits,
        "uiWidthBytes": width * n_components * frames.dtype.itemsize, "uiBpcSignificant": bits,
        "uiSequenceCount": n if n_frames is None else n_frames,
    }  # fmt: skip
    names = described.get("names", [f"channel {i}" for i in range(n_channels)])
    calibration = described.get("calibration", 0.0)
    planes = {
        f"a{i}": {
            "sDescription": name, "uiCompCount": n_components // n_channels,
            "pFluorescentProbe": {"m_sName": name},
        }
        for i, name in enumerate(names)
    }  # fmt: skip
    metadata = {
        "bCalibrated": calibration > 0, "dCalibration": float(calibration),
        "sPicturePlanes": {"uiCount": n_channels, "sPlaneNew": planes},
    }  # fmt: skip
    chunks = {
        b"ImageAttributesLV!": _variant({"SLxImageAttributes": attributes}),
        b"ImageMetadataSeqLV|0!": _variant({"SLxPictureMetadata": metadata}),
    }
    if loops:
        chunks[b"ImageMetadataLV!"] = _variant({"SLxExperiment": _experiment(loops)})
    for i, frame in enumerate(frames):
        chunks[f"ImageDataSeq|{i}!".encode()] = bytes(8) + frame.tobytes()
    content = struct.pack("IIQ", _MAGIC, 32, 64) + b"ND2 FILE SIGNATURE CHUNK NAME01!"
    content += b"Ver3.0".ljust(64, b"\0")
    entries = b""
    for name, data in chunks.items():
        entries += name + struct.pack("QQ", len(content), len(data))
        content += _chunk(name, data)
    end = _END + struct.pack("Q", len(content))
    path.write_bytes(content + _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", entries + end))
    return path


def times(n):
    return {"eType": 1, "uLoopPars": {"uiCount": n, "dStart": 0.0, "dPeriod": 1.0,
                                      "dDuration": 1.0}}  # fmt: skip


def positions(n):
    return {"eType": 2, "uLoopPars": {"Points": [{"dPosX": 1.0, "dPosY": 2.0}] * n}}


def sections(n, step):
    return {"eType": 4, "uLoopPars": {"uiCount": n, "dZStep": step}}


def _experiment(loops):
    first, *rest = loops
    return {**first, "ppNextLevelEx": [_experiment(rest)]} if rest else first


def _chunk(name, data):
    return (
        struct.pack("IIQ", _MAGIC, _NAME_LENGTH, len(data)) + name.ljust(_NAME_LENGTH, b"\0") + data
    )


def _variant(values):
    """Nested values in the binary form of Nikon's metadata ("CLx lite variant")."""
    items = values.items() if isinstance(values, dict) else [("", value) for value in values]
    return b"".join(_item(name, value) for name, value in items)


def _item(name, value):
    text = f"{name}\0".encode("utf-16-le")
    for kind, number, form in ((bool, 1, "B"), (int, 3, "I"), (float, 6, "d")):
        if isinstance(value, kind):
            return struct.pack("BB", number, len(name) + 1) + text + struct.pack(form, value)
    head = struct.pack("BB", 8 if isinstance(value, str) else 11, len(name) + 1) + text
    if isinstance(value, str):
        return head + f"{value}\0".encode("utf-16-le")
    inner = _variant(value)
    length = len(head) + struct.calcsize("<IQ") + len(inner)
    return head + struct.pack("<IQ", len(value), length) + inner + bytes(8 * len(value))


# Leica

_DIMENSIONS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "λ": 5, "M": 10}


def write_lif(path, *images):
    """Write images, dicts of name, pixels, axes, and optionally step (in meters) and names."""
    root = ElementTree.Element("LMSDataContainerHeader", Version="2")
    children = ElementTree.SubElement(
        ElementTree.SubElement(root, "Element", Name="project"), "Children"
    )
    blocks = b""
    for i, image in enumerate(images):
        element = ElementTree.SubElement(children, "Element", Name=image["name"])
        data = ElementTree.SubElement(element, "Data")
        if image.get("flim"):
            ElementTree.SubElement(data, "SingleMoleculeDetection", IsImage="true")
        else:
            _describe_lif(ElementTree.SubElement(data, "Image"), **image)
        size = str(image["pixels"].nbytes)
        ElementTree.SubElement(element, "Memory", Size=size, MemoryBlockID=f"MemBlock_{i}")
        name = f"MemBlock_{i}".encode("utf-16-le")
        sizes = (image["pixels"].nbytes, 0x2A, len(name) // 2)
        blocks += struct.pack("<IIBQBI", 0x70, 0, 0x2A, *sizes) + name + image["pixels"].tobytes()
    text = ElementTree.tostring(root, "unicode").encode("utf-16-le")
    head = struct.pack("<IIBI", 0x70, len(text) + 5, 0x2A, len(text) // 2)
    path.write_bytes(head + text + blocks)
    return path


def _describe_lif(parent, name, pixels, axes, step=None, names=None):
    description = ElementTree.SubElement(parent, "ImageDescription")
    channels = ElementTree.SubElement(description, "Channels")
    dimensions = ElementTree.SubElement(description, "Dimensions")
    strides = dict(zip(axes, np.ascontiguousarray(pixels).strides, strict=True))
    sizes = dict(zip(axes, pixels.shape, strict=True))
    is_color = "S" in axes
    n = sizes.get("S", sizes.get("C", 1))
    for i in range(n):
        ElementTree.SubElement(
            channels, "ChannelDescription", DataType="0", ChannelTag=str(3 - i if is_color else 0),
            Resolution=str(8 * pixels.dtype.itemsize), NameOfMeasuredQuantity="", Min="0", Max="1",
            Unit="", LUTName=names[i] if names else "Gray", IsLUTInverted="0", BitInc="0",
            BytesInc=str(i * strides.get("S", strides.get("C", 0))),
        )  # fmt: skip
    for axis in axes:
        if axis in _DIMENSIONS:
            length = (step or {}).get(axis, 0) * (sizes[axis] - 1)
            ElementTree.SubElement(
                dimensions, "DimensionDescription", DimID=str(_DIMENSIONS[axis]), Origin="0",
                NumberOfElements=str(sizes[axis]), Length=str(length), Unit="m", BitInc="0",
                BytesInc=str(strides[axis]),
            )  # fmt: skip


# Zeiss


def mosaic(scenes, channels, depth, dtype=np.uint16):
    """Tiles of two columns for each scene, and the pixels (scene, channel, z, y, x)."""
    pixels = noise(scenes, channels, depth, 20, 44, dtype=dtype)
    tiles = [
        {"pixels": pixels[s, c, z, :, 22 * i : 22 * (i + 1)], "plane": {"C": c, "Z": z},
         "scene": s, "location": (100 * s + 22 * i - 3, -5)}
        for s in range(scenes) for c in range(channels) for z in range(depth) for i in range(2)
    ]  # fmt: skip
    return tiles, pixels


def write_czi(path, planes, **metadata):
    """Write tiles, dicts of pixels, and optionally plane, scene and location (x, y)."""
    from pylibCZIrw import czi

    with czi.create_czi(str(path)) as file:
        for tile in planes:
            tile = dict(tile)
            pixels = tile.pop("pixels")
            file.write(pixels if pixels.ndim == 3 else pixels[..., None], **tile)
        file.write_metadata("test", **metadata)
    return path
