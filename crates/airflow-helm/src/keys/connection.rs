//! Connections derived from keys: the database's, the pool's, the broker's. This file owns their
//! exact text, as the chart would write it; it refuses passwords in anything but a Secret.

use std::collections::BTreeMap;

use converge::Secret;
use kube_cluster::Object;
use serde_json::json;

use super::{KeyMaterial, KeyNames, encode};
use crate::settings::{AirflowSettings, Database};

/// The port the pool listens on.
const POOL_PORT: u16 = 6543;

/// Who and where the database server is.
struct Server {
    host: String,
    port: u16,
    database: String,
    user: String,
    sslmode: String,
}

fn server(settings: &AirflowSettings) -> Option<Server> {
    match &settings.database {
        Database::Embedded(_) => Some(Server {
            host: format!("{}-postgresql.{}", settings.release, settings.namespace),
            port: 5432,
            database: "postgres".into(),
            user: "postgres".into(),
            sslmode: "disable".into(),
        }),
        Database::External(external) => Some(Server {
            host: external.host.clone(),
            port: external.port,
            database: external.database.clone(),
            user: external.user.clone(),
            sslmode: external.sslmode.clone(),
        }),
        Database::ExistingSecret(_) => None,
    }
}

/// TLS from the pool to the server.
pub(crate) fn server_sslmode(settings: &AirflowSettings) -> String {
    settings
        .pgbouncer
        .sslmode
        .clone()
        .unwrap_or_else(|| match &settings.database {
            Database::External(external) => external.sslmode.clone(),
            _ => "prefer".into(),
        })
}

/// The pool's configuration; holds no password.
///
/// Source: the chart's `pgbouncer_config` template, 1.15 to 1.22.
pub(super) fn pgbouncer_ini(settings: &AirflowSettings) -> String {
    let Some(server) = server(settings) else {
        return String::new();
    };
    let pool = &settings.pgbouncer;
    let Server {
        host,
        port,
        database,
        user,
        ..
    } = &server;
    let release = &settings.release;
    format!(
        "[databases]\n\
         {release}-metadata = host={host} dbname={database} port={port} pool_size={}\n\
         {release}-result-backend = host={host} dbname={database} port={port} pool_size={}\n\
         \n\
         [pgbouncer]\n\
         pool_mode = transaction\n\
         listen_port = {POOL_PORT}\n\
         listen_addr = *\n\
         auth_type = scram-sha-256\n\
         auth_file = /etc/pgbouncer/users.txt\n\
         stats_users = {user}\n\
         ignore_startup_parameters = extra_float_digits\n\
         max_client_conn = {}\n\
         verbose = 0\n\
         log_disconnections = 0\n\
         log_connections = 0\n\
         \n\
         server_tls_sslmode = {}\n\
         server_tls_ciphers = normal\n",
        pool.metadata_pool_size,
        pool.result_backend_pool_size,
        pool.max_client_conn,
        server_sslmode(settings),
    )
}

/// The Secrets that follow from keys and settings: connections and the pool's files. `password` is
/// the external server's; the embedded one's is among the keys. Empty for what the user keeps in
/// Secrets of their own.
pub fn derived_secrets(
    settings: &AirflowSettings,
    keys: &KeyMaterial,
    password: Option<&Secret>,
) -> Vec<Object> {
    let names = KeyNames::of(settings);
    let make = |name: &str, entries: &[(&str, String)]| secret(&settings.namespace, name, entries);
    let mut secrets = vec![make(
        &names.broker,
        &[(
            "connection",
            format!(
                "redis://:{}@{}-redis:6379/0",
                keys.get("password").expose(),
                settings.release
            ),
        )],
    )];
    let Some(server) = server(settings) else {
        return secrets;
    };
    let password = match (&settings.database, password) {
        (Database::External(_), Some(password)) => password,
        _ => keys.get("postgres-password"),
    };
    let login = format!("{}:{}", percent(&server.user), percent(password.expose()));
    let metadata = if settings.pgbouncer.enabled {
        let Server { user, .. } = &server;
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let line = format!("{} {}\n", quoted(user), quoted(password.expose()));
        secrets.push(make(
            &names.pgbouncer_config,
            &[
                ("pgbouncer.ini", pgbouncer_ini(settings)),
                ("users.txt", line),
            ],
        ));
        secrets.push(make(
            &names.pgbouncer_stats,
            &[(
                "connection",
                format!("postgresql://{login}@127.0.0.1:{POOL_PORT}/pgbouncer?sslmode=disable"),
            )],
        ));
        format!(
            "postgresql://{login}@{release}-pgbouncer.{namespace}:{POOL_PORT}/{release}-metadata?sslmode=disable",
            release = settings.release,
            namespace = settings.namespace,
        )
    } else {
        format!(
            "postgresql://{login}@{}:{}/{}?sslmode={}",
            server.host, server.port, server.database, server.sslmode
        )
    };
    secrets.push(make(&names.metadata, &[("connection", metadata)]));
    secrets
}

fn secret(namespace: &str, name: &str, entries: &[(&str, String)]) -> Object {
    let data: BTreeMap<&str, String> = entries
        .iter()
        .map(|(key, text)| (*key, encode(text)))
        .collect();
    Object::from_value(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "aks-airflow"},
        },
        "type": "Opaque",
        "data": data,
    }))
    .expect("a table")
}

/// Escapes everything but unreserved characters (RFC 3986), so that no password breaks the URI.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::super::{RandomBytes, decode};
    use super::*;
    use crate::settings::ExternalDatabase;

    fn keys() -> KeyMaterial {
        KeyMaterial::generate(&RandomBytes([7; super::super::RANDOM_BYTES]))
    }

    fn text(secrets: &[Object], name: &str, key: &str) -> String {
        let secret = secrets.iter().find(|secret| secret.name() == name).unwrap();
        decode(secret, key).unwrap().expose().to_owned()
    }

    #[test]
    fn the_guides_connection_goes_through_the_pool_with_our_password() {
        let keys = keys();
        let secrets = derived_secrets(&AirflowSettings::default(), &keys, None);
        let password = keys.get("postgres-password").expose();
        assert_eq!(
            text(&secrets, "airflow-metadata-connection", "connection"),
            format!(
                "postgresql://postgres:{password}@airflow-pgbouncer.airflow:6543/airflow-metadata?sslmode=disable"
            )
        );
        let ini = text(&secrets, "airflow-pgbouncer-files", "pgbouncer.ini");
        assert!(ini.contains("airflow-metadata = host=airflow-postgresql.airflow dbname=postgres port=5432 pool_size=10\n"));
        assert!(ini.contains("server_tls_sslmode = prefer\n"));
        assert_eq!(
            text(&secrets, "airflow-pgbouncer-files", "users.txt"),
            format!("\"postgres\" \"{password}\"\n")
        );
    }

    #[test]
    fn an_external_password_is_escaped_in_uris_and_quoted_in_files() {
        let mut settings = AirflowSettings {
            database: Database::External(ExternalDatabase {
                host: "pg.example.com".into(),
                port: 5432,
                database: "airflow".into(),
                user: "me@srv".into(),
                sslmode: "require".into(),
            }),
            ..AirflowSettings::default()
        };
        let password = Secret::new("p@/%:\"x");
        let secrets = derived_secrets(&settings, &keys(), Some(&password));
        assert!(
            text(&secrets, "airflow-metadata-connection", "connection").starts_with(
                "postgresql://me%40srv:p%40%2F%25%3A%22x@airflow-pgbouncer.airflow:6543/"
            )
        );
        assert!(text(&secrets, "airflow-pgbouncer-files", "users.txt").contains("\"p@/%:\"\"x\""));
        settings.pgbouncer.enabled = false;
        let secrets = derived_secrets(&settings, &keys(), Some(&password));
        assert!(
            text(&secrets, "airflow-metadata-connection", "connection")
                .ends_with("@pg.example.com:5432/airflow?sslmode=require")
        );
        assert_eq!(secrets.len(), 2);
    }
}
