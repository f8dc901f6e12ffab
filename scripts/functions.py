"""What `spacy train --code` imports: registrations, nothing else."""
