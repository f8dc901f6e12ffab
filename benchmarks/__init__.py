"""One file per table of figures. A package of its own: Opacus installs another one of this name."""
