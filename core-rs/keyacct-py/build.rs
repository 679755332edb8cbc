//! Fails early when the checkout has lost the symbolic link `python/keyacct/cli -> ../../cli`:
//! a wheel built without it would have no command line, and nobody would say so.

fn main() {
    let app = std::path::Path::new("../../python/keyacct/cli/app.py");
    println!("cargo:rerun-if-changed={}", app.display());
    assert!(
        app.is_file(),
        "python/keyacct/cli is not a link to cli/: clone with `git clone -c core.symlinks=true`"
    );
}
