//! The cluster suite on a real API server.

use aks_airflow_e2e::{Component, ControlPlane, is_required};
use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let missing = Component::ControlPlane.locate().err();
    let ignore = missing.is_some() && !is_required(Component::ControlPlane);
    if let Some(missing) = &missing {
        eprintln!("{missing}");
    }
    let trials = vec![
        Trial::test("a_control_plane_boots_on_loopback_only", || {
            let plane = ControlPlane::start()?;
            assert!(plane.admin_kubeconfig().contains(&plane.url()));
            Ok(())
        })
        .with_ignored_flag(ignore),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
