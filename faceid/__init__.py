"""Face verification and enrolment with thresholds you can answer for."""
