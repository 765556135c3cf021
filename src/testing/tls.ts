/**
 * Certificates and keys for tests of TLS: of 127.0.0.1, ::1 and localhost, for a hundred years, and of no other use.
 * Knows PEM texts; refuses to know how they are used. Made by:
 *
 * ```sh
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj '/CN=Plumb test CA' \
 *   -keyout ca.key -out ca.pem
 * openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' -keyout key.pem -out own.csr
 * printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nbasicConstraints=CA:FALSE\n' >extensions
 * openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 36500 -extfile extensions -out cert.pem
 * openssl pkcs8 -topk8 -in key.pem -passout pass:secret -out encrypted.pem
 * openssl ecparam -name prime256v1 -genkey -noout -out other.pem
 * openssl req -x509 -key other.pem -days 36500 -subj '/CN=localhost' \
 *   -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' -out other_cert.pem
 * openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -in own.csr -startdate 20200101000000Z -enddate 20210101000000Z \
 *   -notext -out expired.pem
 * ```
 * @module
 */

/** What the Client trusts. */
export const CA = `-----BEGIN CERTIFICATE-----
MIIBhjCCAS2gAwIBAgIUYfik16hX4Hu+hwFZNIFGwbk2EpgwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNUGx1bWIgdGVzdCBDQTAgFw0yNjExMjIxMjQ0NDJaGA8yMTI2
MTAyOTEyNDQ0MlowGDEWMBQGA1UEAwwNUGx1bWIgdGVzdCBDQTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABCGFVV/KQ0jvR/e4O5vczsd/DOEcsY2fdN2dQa3pR6ag
w3hBeCNYKrVPHBTej4CxzZLPPLwZVF5XiLf11PmnL6CjUzBRMB0GA1UdDgQWBBSJ
kYWynvPjm9xIzPhXBGzGt1mXYTAfBgNVHSMEGDAWgBSJkYWynvPjm9xIzPhXBGzG
t1mXYTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIF1hiwf+jMhv
6DFE6ljz8/jMGMCPz4WvPKk9FTYrj6KLAiBgleoUetofGr1bamom7tjaVdHnM7cq
oALf8MFH1yEjWA==
-----END CERTIFICATE-----
`;

/** The Server's certificate, which `CA` has issued. */
export const CERT = `-----BEGIN CERTIFICATE-----
MIIBqzCCAVGgAwIBAgIUGOLBJCjZKQMRyzvhEj6reSFQ1owwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNUGx1bWIgdGVzdCBDQTAgFw0yNjExMjIxMjQ0NDJaGA8yMTI2
MTAyOTEyNDQ0MlowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEEfdtTuO5Mc20vt3iMFEnQRA91komfHM0imVrBoSnq6FbqW1R
4zG8HLwY/VcGntfBXPQavN6LzdMt+WphPcBjMKN7MHkwLAYDVR0RBCUwI4IJbG9j
YWxob3N0hwR/AAABhxAAAAAAAAAAAAAAAAAAAAABMAkGA1UdEwQCMAAwHQYDVR0O
BBYEFDp73dC+5B06kcvvO1E+n7mhb1ATMB8GA1UdIwQYMBaAFImRhbKe8+Ob3EjM
+FcEbMa3WZdhMAoGCCqGSM49BAMCA0gAMEUCIQDcUCSHFZzlYl4LBxok2G5RVsL+
EPfYaGlPSWkbcKjkawIgdiYfKNY/vh6Xxn/SbEM0UeXnnFO24PL5ti8OPA42Tac=
-----END CERTIFICATE-----
`;

/** Its key. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJWBCVSNGmfWSevMa
PPZVIGxdAPNgarXpnlEERS80xCqhRANCAAQR921O47kxzbS+3eIwUSdBED3WSiZ8
czSKZWsGhKeroVupbVHjMbwcvBj9Vwae18Fc9Bq83ovN0y35amE9wGMw
-----END PRIVATE KEY-----
`;

/** The same key, behind a passphrase. */
export const ENCRYPTED_KEY = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhUPB8v0wReYQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKCr63nPMnDt1jF5HY9gkesEgZD/
Fqja5rNkAh0z4OjH34tGGSPC/urgFSoS0GytvEfVx/a/mu/79E5hvOqlsy6IMCV2
jokmDEPsTsXeCCDxPly5hUaBchtSal4cTW0lkxGeXG8IvnLiLzIqeLtZWzhuloWJ
8BiKv9uZCniYPzzQWPftxa39CljNXW0djBo+xRnAfd3AeJGr44LEYONr/0LwsQA=
-----END ENCRYPTED PRIVATE KEY-----
`;

/** The key of `OTHER_CERT`. */
export const OTHER_KEY = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIDgBfPjVg0Gkbl50lOWHxi5u2qW7wNrULkqErJPUWdfkoAoGCCqGSM49
AwEHoUQDQgAEOP3Yzw82Vr97mrYQd3SmWpln544tikeTSkPahYLW8XdgMOAUsayI
8hTJyvZekUTFtvM0h6GFKoqv5mwp6terPw==
-----END EC PRIVATE KEY-----
`;

/** A certificate that `CA` has not issued: it vouches for itself. */
export const OTHER_CERT = `-----BEGIN CERTIFICATE-----
MIIBrjCCAVSgAwIBAgIUIh3YxB3e2A8SuyihW/N+wBbKwA8wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDAwMjkzNFoYDzIxMjYxMTA2
MDAyOTM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ4/djPDzZWv3uathB3dKZamWfnji2KR5NKQ9qFgtbxd2Aw4BSxrIjy
FMnK9l6RRMW28zSHoYUqiq/mbCnq16s/o4GBMH8wHQYDVR0OBBYEFAeHSzwgCjDA
z0fjhiMA2/L8s5yRMB8GA1UdIwQYMBaAFAeHSzwgCjDAz0fjhiMA2/L8s5yRMA8G
A1UdEwEB/wQFMAMBAf8wLAYDVR0RBCUwI4IJbG9jYWxob3N0hwR/AAABhxAAAAAA
AAAAAAAAAAAAAAABMAoGCCqGSM49BAMCA0gAMEUCIQCY9z5j/Q8cAJF8qdJAprz3
xRMqA0F4dfu99jjhlLzqXgIgBkxVC5tar+TLkP++P+5oehmSUJsTZUCIbnsRK8IV
P9U=
-----END CERTIFICATE-----
`;

/** A certificate for `KEY` that was valid in 2020. */
export const EXPIRED_CERT = `-----BEGIN CERTIFICATE-----
MIIBEjCBugIBAjAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1QbHVtYiB0ZXN0IENB
MB4XDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowFDESMBAGA1UEAwwJbG9j
YWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEfdtTuO5Mc20vt3iMFEn
QRA91komfHM0imVrBoSnq6FbqW1R4zG8HLwY/VcGntfBXPQavN6LzdMt+WphPcBj
MDAKBggqhkjOPQQDAgNHADBEAiAYhWDkMG0qCRx51cHy8qkxJm8wv/+gbGf8Vohk
F10GDgIgdQTT2M9/zr0siffKhivqs0ovcshSUIbBXoDLZyiw5BA=
-----END CERTIFICATE-----
`;
