// Prints the milliseconds that the first import of a package takes in this process.

const start = performance.now();
await import(process.argv[2]!);
console.log(performance.now() - start);
process.exit(0);
