"""Pictures from coordinates of the shared space: trained on pictures only, driven by texts."""
