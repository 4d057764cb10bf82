"""What people may ask of their own data: a copy, correction, erasure, restriction."""
