"""What a trained model shows, held against the theory. Needs the extra ``mechsparse[estimation]``."""
