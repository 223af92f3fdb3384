"""Looks at every video once: meshes, face embeddings, colours, sharpness, flow and loudness, kept on disk."""
