// Bundles scatter-gl with the one copy of three it needs; see README.md.
import { build } from "esbuild";
import path from "node:path";

const three = path.resolve("node_modules/three/build/three.module.js");
await build({
  stdin: {
    contents: 'export { ScatterGL } from "scatter-gl"; export { Vector3 } from "three";',
    resolveDir: process.cwd(),
  },
  bundle: true,
  minify: true,
  format: "esm",
  legalComments: "inline",
  outfile: "scatter-gl.min.js",
  plugins: [
    {
      name: "one-three",
      setup(bundler) {
        bundler.onResolve({ filter: /^three$/ }, () => ({ path: three }));
        bundler.onResolve({ filter: /^three\/examples/ }, (asked) => ({
          path: path.resolve("node_modules", `${asked.path}.js`),
        }));
      },
    },
  ],
});
