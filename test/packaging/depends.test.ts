import assert from "node:assert/strict";
import { test } from "node:test";
import { dependsOf } from "../../packaging/depends.ts";

/** As `readelf -dVW` of binutils 2.40 prints them. */
const NEEDED = (library: string): string => ` 0x0000000000000001 (NEEDED)             Shared library: [${library}]\n`;
const VERSION = (name: string): string => `  0x0010:   Name: ${name}  Flags: none  Version: 8\n`;

test("the highest version that any binary asks for counts", () => {
  const one = NEEDED("libc.so.6") + VERSION("GLIBC_2.28") + VERSION("GLIBC_2.2.5") + VERSION("GLIBC_2.9");
  const other = NEEDED("libm.so.6") + NEEDED("libc.so.6") + VERSION("GLIBC_2.34");
  assert.deepEqual(dependsOf([one, other]), ["libc6 (>= 2.34)"]);
  assert.deepEqual(dependsOf([other, one]), ["libc6 (>= 2.34)"]);
});

test("symbol versions of the C++ library become versions of GCC", () => {
  const of = (version: string): string[] => dependsOf([NEEDED("libstdc++.so.6") + VERSION(version)]);
  assert.deepEqual(of("GLIBCXX_3.4.21"), ["libstdc++6 (>= 5)"]);
  assert.deepEqual(of("GLIBCXX_3.4.29"), ["libstdc++6 (>= 11)"]);
  assert.deepEqual(of("GLIBCXX_3.4.33"), ["libstdc++6 (>= 14)"]);
  assert.deepEqual(dependsOf([NEEDED("libgcc_s.so.1") + VERSION("GCC_3.0") + VERSION("GCC_3.4")]), [
    "libgcc-s1 (>= 3.4)",
  ]);
});

test("what is not known is refused", () => {
  assert.throws(() => dependsOf([NEEDED("libssl.so.3")]), /libssl\.so\.3.*packaging\/depends\.ts/s);
  assert.throws(() => dependsOf([NEEDED("libstdc++.so.6") + VERSION("GLIBCXX_3.4.99")]), /GLIBCXX_3\.4\.99/);
});
