-- One database each: services never look into each other's. Run once, on an empty server.
CREATE DATABASE homeward_intake;
CREATE DATABASE homeward_scheduling;
CREATE DATABASE homeward_monitoring;
CREATE DATABASE homeward_aftercare;
CREATE DATABASE homeward_gateway;
CREATE DATABASE homeward_clock;
