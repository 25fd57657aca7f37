"""New packages for plugin authors: what `fdakit new` writes, from the templates beside this file."""

from .package import NewPackage as NewPackage, kinds as kinds, plan_package as plan_package
