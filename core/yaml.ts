import type { DocumentOptions, ParseOptions, SchemaOptions, Tags } from "yaml";

type Tag = Exclude<Tags[number], string>;

/** How every YAML file of ours is read: configurations and profiles. */
export const YAML_OPTIONS: ParseOptions & DocumentOptions & SchemaOptions = {
  // Pretty errors would print the lines of the file, secrets that somebody put there included.
  prettyErrors: false,
  logLevel: "error",
  schema: "core",
  // A serial format of 8E1 is the number 80 to YAML 1.2. No key takes a fraction, so only decimal integers are numbers.
  customTags: (tags) => tags.filter((tag) => typeof tag === "string" || !(isFloat(tag) || isOddInteger(tag))),
};

function isFloat(tag: Tag): boolean {
  return tag.tag === "tag:yaml.org,2002:float";
}

function isOddInteger(tag: Tag): boolean {
  return "format" in tag && (tag.format === "HEX" || tag.format === "OCT");
}
