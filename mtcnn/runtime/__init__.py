"""What the process has around it: optional packages, standard error. Imports nothing of mtcnn but its errors."""
