"""Options for a run of an example that takes seconds."""

SMALL = {
    "synthetic": {"classes": 3, "subjects": 4, "views": 2, "frames": 16},
    "frames": 16,
    "base_channels": 4,
    "out_channels": 16,
    "embedding": 8,
    "queue_size": 8,
    "batch_size": 4,
    "epochs": 2,
    "learning_rate": 0.01,
    "neighbors": 3,
    "probe": "standardized",
    "accelerator": "cpu",
}
