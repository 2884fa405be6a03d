"""The console command ``mmattn``, for `commands.Commands`."""

from mmattn.__main__ import main

main()
