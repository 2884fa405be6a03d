"""Pictures of what a trained network looks at: Grad-CAM, and the weights of its attention modules."""
