"""Small files of motion capture with random skeletons, and where their joints are by scipy's rotations."""

import numpy as np
from scipy.spatial.transform import Rotation

POSITIONS = ["Xposition", "Yposition", "Zposition"]


def random_tree(rng, joints):
    """Parents before children, in the depth-first order of a BVH file."""
    parents, chain = [-1], [0]
    for joint in range(1, joints):
        del chain[rng.integers(1, len(chain) + 1) :]
        parents.append(chain[-1])
        chain.append(joint)
    return parents


def random_channels(rng, *, positions):
    turns = [f"{axis}rotation" for axis in rng.permutation(list("XYZ"))]
    if not positions:
        return turns
    return POSITIONS + turns if rng.random() < 0.5 else turns + POSITIONS


class BvhCase:
    """A random skeleton with its frames."""

    def __init__(self, seed, *, joints=7, frames=5, positions_below=False):
        rng = np.random.default_rng(seed)
        self.parents = random_tree(rng, joints)
        self.names = ["Hips"] + [f"joint {i}" for i in range(1, joints)]
        self.offsets = rng.normal(size=(joints, 3)).round(4)
        self.channels = [random_channels(rng, positions=i == 0 or positions_below) for i in range(joints)]
        self.values = [rng.uniform(-180, 180, size=(frames, len(own))).round(4) for own in self.channels]
        self.ends = {i: rng.normal(size=3).round(4) for i in range(joints) if i not in self.parents}

    def text(self, *, frame_time="0.0333333", tab="\t"):
        lines = ["HIERARCHY"]

        def joint(i, level):
            at = tab * level
            lines.extend([f"{at}{'JOINT' if level else 'ROOT'} {self.names[i]}", at + "{"])
            lines.append(f"{at}{tab}OFFSET {' '.join(map(str, self.offsets[i]))}")
            lines.append(f"{at}{tab}CHANNELS {len(self.channels[i])} {' '.join(self.channels[i])}")
            for child in (c for c, parent in enumerate(self.parents) if parent == i):
                joint(child, level + 1)
            if i in self.ends:
                lines.extend([f"{at}{tab}End Site", f"{at}{tab}{{"])
                lines.extend([f"{at}{tab}{tab}OFFSET {' '.join(map(str, self.ends[i]))}", f"{at}{tab}}}"])
            lines.append(at + "}")

        joint(0, 0)
        rows = np.concatenate(self.values, axis=1)
        lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time: {frame_time}"]
        return "\n".join([*lines, *(" ".join(map(str, row)) for row in rows), ""])

    def positions(self):
        """``(t, v, 3)``, a joint and a frame at a time."""
        out = np.zeros((len(self.values[0]), len(self.parents), 3))
        for t in range(len(out)):
            turned = []
            for i, parent in enumerate(self.parents):
                own = dict(zip(self.channels[i], self.values[i][t], strict=True))
                at = np.array([own.get(name, rest) for name, rest in zip(POSITIONS, self.offsets[i], strict=True)])
                order = "".join(name[0] for name in own if name.endswith("rotation"))
                angles = [angle for name, angle in own.items() if name.endswith("rotation")]
                turn = Rotation.from_euler(order, angles, degrees=True)  # capitals: about the turned axes
                out[t, i] = at if parent < 0 else out[t, parent] + turned[parent].apply(at)
                turned.append(turn if parent < 0 else turned[parent] * turn)
        return out


class AmcCase:
    """A random Acclaim skeleton with its frames."""

    def __init__(self, seed, *, bones=6, frames=4, radians=False):
        rng = np.random.default_rng(seed)
        self.radians = radians
        self.names = [f"bone{i}" for i in range(bones)]
        self.above = [-1] + [int(rng.integers(-1, i)) for i in range(1, bones)]
        self.directions = rng.normal(size=(bones, 3))
        self.directions /= np.linalg.norm(self.directions, axis=1, keepdims=True)
        self.lengths = rng.uniform(1, 3, size=bones)
        self.axes = rng.uniform(-180, 180, size=(bones, 3))
        self.orders = ["".join(rng.permutation(list("XYZ"))) for _ in range(bones)]
        self.dofs = [list(rng.permutation(["rx", "ry", "rz"])[: rng.integers(0, 4)]) for _ in range(bones)]
        self.root_order = list(rng.permutation(["TX", "TY", "TZ", "RX", "RY", "RZ"]))
        self.orientation = rng.uniform(-180, 180, size=3)
        self.position = rng.normal(size=3)
        self.root = rng.uniform(-180, 180, size=(frames, 6))
        self.values = [rng.uniform(-180, 180, size=(frames, len(dof))) for dof in self.dofs]

    def angle(self, degrees):
        return np.radians(degrees) if self.radians else degrees

    def asf(self):
        unit = "rad" if self.radians else "deg"
        lines = ["# ein Kopf in Latin-1: für", ":version 1.10", ":units", "  length 0.45", f"  angle {unit}", ":root"]
        lines += [f"  order {' '.join(self.root_order)}", "  axis XYZ", f"  position {_row(self.position)}"]
        lines += [f"  orientation {_row(self.angle(self.orientation))}", ":bonedata"]
        for i, name in enumerate(self.names):
            lines += ["  begin", f"    id {i + 1}", f"    name {name}", f"    direction {_row(self.directions[i])}"]
            lines += [f"    length {float(self.lengths[i])!r}"]
            lines += [f"    axis {_row(self.angle(self.axes[i]))} {self.orders[i]}"]
            if self.dofs[i]:
                lines += [f"    dof {' '.join(self.dofs[i])}", "    limits (-10 10)", "           (-10 10)"]
            lines += ["  end"]
        lines += [":hierarchy", "  begin"]
        for i, name in [(-1, "root"), *enumerate(self.names)]:
            below = [self.names[j] for j, above in enumerate(self.above) if above == i]
            lines += [f"    {' '.join([name, *below])}"] if below else []
        return "\n".join([*lines, "  end", ""])

    def amc(self):
        lines = ["#!OML:ASF made up", ":FULLY-SPECIFIED", ":RADIANS" if self.radians else ":DEGREES"]
        for t in range(len(self.root)):
            turns = np.array([channel[0] == "R" for channel in self.root_order])
            root = np.where(turns, self.angle(self.root[t]), self.root[t])
            lines += [str(t + 1), f"root {_row(root)}"]
            lines += [
                f"{name} {_row(self.angle(self.values[i][t]))}" for i, name in enumerate(self.names) if self.dofs[i]
            ]
        return "\n".join([*lines, ""])

    def positions(self):
        """``(t, 1 + bones, 3)``, a bone and a frame at a time."""
        out = np.zeros((len(self.root), 1 + len(self.names), 3))
        for t in range(len(out)):
            root = dict(zip(self.root_order, self.root[t], strict=True))
            order = "".join(channel[1] for channel in self.root_order if channel[0] == "R")
            out[t, 0] = self.position + np.array([root["TX"], root["TY"], root["TZ"]])
            axes = Rotation.from_euler("xyz", self.orientation, degrees=True)  # small letters: about the fixed axes
            turn = Rotation.from_euler(order.lower(), [root[f"R{axis}"] for axis in order], degrees=True)
            turned = [axes * turn * axes.inv()]
            for i, above in enumerate(self.above):
                axes = Rotation.from_euler(self.orders[i].lower(), self.axes[i], degrees=True)
                dof = "".join(channel[1] for channel in self.dofs[i])
                turn = Rotation.from_euler(dof, self.values[i][t], degrees=True) if dof else Rotation.identity()
                turned.append(turned[above + 1] * axes * turn * axes.inv())
                out[t, i + 1] = out[t, above + 1] + turned[-1].apply(self.directions[i] * self.lengths[i])
        return out


def _row(numbers):
    return " ".join(repr(float(number)) for number in numbers)
