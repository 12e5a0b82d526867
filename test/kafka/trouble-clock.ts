/** To be imported by a process under test: at SIGUSR2 its wall clock steps back by an hour, and a line on stderr says so. */
const now = Date.now.bind(Date);

process.once("SIGUSR2", () => {
  Date.now = () => now() - 3_600_000;
  process.stderr.write("clock steps back by an hour\n");
});
