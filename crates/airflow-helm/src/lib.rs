//! Airflow on its official chart: typed values per generation, schedule, keys, verification, UI and DAG sources.
