"""Video models from a dataset: autoencoder, text-to-video and image-to-video, training and sampling."""
