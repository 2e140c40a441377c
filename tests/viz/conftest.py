import io

import numpy as np
import pytest
from viz.baseline import assert_inside


@pytest.fixture
def rendered():
    """Draw a figure to pixels; see that it is not blank and that nothing of it lies outside, labels for instance."""

    def render(figure):
        from matplotlib.image import imread

        file = io.BytesIO()
        figure.savefig(file, format="png")
        file.seek(0)
        pixels = imread(file)
        assert len(np.unique(pixels[..., :3] @ np.array([1.0, 256.0, 65536.0]))) > 20
        assert_inside(figure)

    return render
