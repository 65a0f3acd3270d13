# Programs of other people that speak first or keep connections open, as they come from Debian.
FROM ambit.test/debian-databases
RUN mkdir -p /data && chown postgres /data
