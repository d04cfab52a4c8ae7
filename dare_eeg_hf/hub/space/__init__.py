"""The Gradio Space; its folder is published as it is."""
