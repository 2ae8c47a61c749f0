// What connections say of this library; the package's own version, which test/house compares with package.json.

export const libraryVersion = '0.1.0';
