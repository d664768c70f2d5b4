"""Work on files: pictures found, read, detected in and written; films; records of what was done."""
