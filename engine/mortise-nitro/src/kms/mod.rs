//! Client of the key service: keys that it unwraps for measured code only.
