"""Model families: one file each over one trainer and one sampler; `loading` finds them."""
