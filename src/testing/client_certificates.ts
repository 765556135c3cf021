/**
 * Certificates of Clients, revocation lists, and Servers' certificates for other names, for tests of TLS: for a hundred years, and of no
 * other use.
 * Knows PEM texts; refuses to know how they are used. Made by:
 *
 * ```sh
 * printf 'basicConstraints=CA:FALSE\nsubjectAltName=email:pump@example.org,DNS:pump.example\n' >client.ext
 * printf 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:a.example\n' >a.ext
 * printf 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:*.b.example\n' >b.ext
 * printf '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\n' >ca.cnf
 * key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"; }
 * issue() { openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 36500 -extfile "$2" -out "$1.pem"; }
 * openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj '/CN=Plumb test Client CA' -keyout ca.key -out ca.pem
 * key client '/O=Example, Ltd/CN=pump'; issue client client.ext
 * key revoked '/CN=lost'; issue revoked client.ext
 * key a '/CN=a.example'; issue a a.ext
 * key b '/CN=b.example'; issue b b.ext
 * : >index.txt
 * openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -crldays 36500 -out empty_crl.pem
 * openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke revoked.pem
 * openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -crldays 36500 -out crl.pem
 * openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -crl_lastupdate 20200101000000Z -crl_nextupdate 20210101000000Z -out old_crl.pem
 * ```
 * @module
 */

/** Issues all of these. */
export const CLIENT_CA = `-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUJ5Ft4ekrO99TTUqvMf395ylw2RswCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQgQ0EwIBcNMjYxMTMwMDY1OTUx
WhgPMjEyNjExMDYwNjU5NTFaMB8xHTAbBgNVBAMMFFBsdW1iIHRlc3QgQ2xpZW50
IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtKm8hYtOi5tZpADPu6gzyvtj
Gr4kgE64FmGwh8Syp+mqjXzJRwL1RhCJV21olxtKrMGIo7ECc7MLmA3FrzK/w6NT
MFEwHQYDVR0OBBYEFO7vAh+lp4ixbYUSKz7/TyzWnG3nMB8GA1UdIwQYMBaAFO7v
Ah+lp4ixbYUSKz7/TyzWnG3nMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SQAwRgIhAKvgX2QlkbnOOrPcLXbPCxK8PesgNLzVDnb8c+EVO+EjAiEA0nuQ+zgX
dboWuAM5FNz4OCgpB3T0n/2sEYB6WYMywkY=
-----END CERTIFICATE-----
`;

/** Of `CN=pump,O=Example\\, Ltd`, with the names pump@example.org and pump.example. */
export const CLIENT_CERT = `-----BEGIN CERTIFICATE-----
MIIBwDCCAWegAwIBAgIUSiqgpUEKLDuZV+K1Nb+2H5prw/cwCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQgQ0EwIBcNMjYxMTMwMDY1OTUx
WhgPMjEyNjExMDYwNjU5NTFaMCYxFTATBgNVBAoMDEV4YW1wbGUsIEx0ZDENMAsG
A1UEAwwEcHVtcDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMpWiRz0CvpNb9pP
VbIr04BOweo08uvt7Y4s21WXTZk00krTo7ITxKaAoxvy3IMj6SsdczSFd8m4Aig+
iNNsVn6jeDB2MAkGA1UdEwQCMAAwKQYDVR0RBCIwIIEQcHVtcEBleGFtcGxlLm9y
Z4IMcHVtcC5leGFtcGxlMB0GA1UdDgQWBBSM+1eVjaA7nylH0ND90qMxu3f8tTAf
BgNVHSMEGDAWgBTu7wIfpaeIsW2FEis+/08s1pxt5zAKBggqhkjOPQQDAgNHADBE
AiA0FnBlDA5Vx346aHkGDAKcbm2C6jegHur1VU1GnAWywQIgYIQVxvxThwG5JtwE
dxZIcp6L5pVv9mIoVIdImk/6soU=
-----END CERTIFICATE-----
`;

/** Its key. */
export const CLIENT_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxAqBCQFZ1dpY18gO
cr/h+SfY+TRGDxlyonkzvL2PAcWhRANCAATKVokc9Ar6TW/aT1WyK9OATsHqNPLr
7e2OLNtVl02ZNNJK06OyE8SmgKMb8tyDI+krHXM0hXfJuAIoPojTbFZ+
-----END PRIVATE KEY-----
`;

/** In `CRL`. */
export const REVOKED_CERT = `-----BEGIN CERTIFICATE-----
MIIBqjCCAVCgAwIBAgIUSiqgpUEKLDuZV+K1Nb+2H5prw/gwCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQgQ0EwIBcNMjYxMTMwMDY1OTUx
WhgPMjEyNjExMDYwNjU5NTFaMA8xDTALBgNVBAMMBGxvc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATiXWFErrttsqZjSkmTE874fb6vOg0pTpz/yobcQzhKBM7d
NOrUqesQlFHi0iG7ICd5qdacVm6+qEbiYeL7VnNDo3gwdjAJBgNVHRMEAjAAMCkG
A1UdEQQiMCCBEHB1bXBAZXhhbXBsZS5vcmeCDHB1bXAuZXhhbXBsZTAdBgNVHQ4E
FgQUUJhrmY4/nnVGb/zbWLLGvrMPH2cwHwYDVR0jBBgwFoAU7u8CH6WniLFthRIr
Pv9PLNacbecwCgYIKoZIzj0EAwIDSAAwRQIhAKTj69j3BSkc3HteWGwCNLEyw5Iq
vf1/+ndNrl3B8BszAiAjc3VuypWwCJTSn16F1QuAOAWe/S51xTQKkK02h/j2DQ==
-----END CERTIFICATE-----
`;

/** Its key. */
export const REVOKED_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgv0J0HKMeCoJSgX7b
8nj5npq7n+8P2HV3Jih1bj8LNAehRANCAATiXWFErrttsqZjSkmTE874fb6vOg0p
Tpz/yobcQzhKBM7dNOrUqesQlFHi0iG7ICd5qdacVm6+qEbiYeL7VnND
-----END PRIVATE KEY-----
`;

/** Nothing is revoked. */
export const EMPTY_CRL = `-----BEGIN X509 CRL-----
MIGlME0wCgYIKoZIzj0EAwIwHzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQg
Q0EXDTI2MTEzMDA2NTk1MVoYDzIxMjYxMTA2MDY1OTUxWjAKBggqhkjOPQQDAgNI
ADBFAiEAwjwjReVZCf8yhnJAH3ot65SMk6TEHNOVsX525iMpbLACIFkAlNq3HP2z
DTqlEsgqVNcKTTdzfjHFPpRxNqNxf6O6
-----END X509 CRL-----
`;

/** Revokes `REVOKED_CERT`. */
export const CRL = `-----BEGIN X509 CRL-----
MIHNMHYwCgYIKoZIzj0EAwIwHzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQg
Q0EXDTI2MTEzMDA2NTk1MloYDzIxMjYxMTA2MDY1OTUyWjAnMCUCFEoqoKVBCiw7
mVfitTW/th+aa8P4Fw0yNjExMzAwNjU5NTFaMAoGCCqGSM49BAMCA0cAMEQCIH5N
g/tazuzFKNbE+T5tiGUN9HcyWTypu049EDafcycnAiBJdMSuih0edQWX1rBSkQsl
OK27tm8/4Thc0mppPNvu/w==
-----END X509 CRL-----
`;

/** One that has run out. */
export const OLD_CRL = `-----BEGIN X509 CRL-----
MIHMMHQwCgYIKoZIzj0EAwIwHzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQg
Q0EXDTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowJzAlAhRKKqClQQosO5lX
4rU1v7YfmmvD+BcNMjYxMTMwMDY1OTUxWjAKBggqhkjOPQQDAgNIADBFAiAoESa7
Ff8Bd5MScB20IfgdCuhSIfbUhRnfcDbYlZuz/gIhAMpGpy+diOV4wwduMYyyDAnJ
eFuqd4W9SDi+VEmCEcvR
-----END X509 CRL-----
`;

/** A Server: a.example. */
export const A_CERT = `-----BEGIN CERTIFICATE-----
MIIBmTCCAUCgAwIBAgIUSiqgpUEKLDuZV+K1Nb+2H5prw/kwCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQgQ0EwIBcNMjYxMTMwMDY1OTUx
WhgPMjEyNjExMDYwNjU5NTFaMBQxEjAQBgNVBAMMCWEuZXhhbXBsZTBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABFUWreQSZ5RP1sGi0IIFSKcKBr+fiuHVZdJURDFt
/G/Bty3enRX6hJQzeOurcgqOTiq/+4R3u4zwVOeysWuMCd6jYzBhMAkGA1UdEwQC
MAAwFAYDVR0RBA0wC4IJYS5leGFtcGxlMB0GA1UdDgQWBBTC1x5wHqwTkWOtdbtl
IwJ3i/3wdDAfBgNVHSMEGDAWgBTu7wIfpaeIsW2FEis+/08s1pxt5zAKBggqhkjO
PQQDAgNHADBEAiAy7oEd3zVACzfkZLgtopnd8UiKYf7UtR4gXdlF+Het7wIgSgDI
mV5Uw52FPOvz6lnuiQ9jnmvS3bx4c0E4fPLhhI0=
-----END CERTIFICATE-----
`;

/** Its key. */
export const A_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdWJfxITBN114SC3T
n2GmVNg0xSGAEKhM4gEp7VIvaOyhRANCAARVFq3kEmeUT9bBotCCBUinCga/n4rh
1WXSVEQxbfxvwbct3p0V+oSUM3jrq3IKjk4qv/uEd7uM8FTnsrFrjAne
-----END PRIVATE KEY-----
`;

/** A Server: all names in b.example. */
export const B_CERT = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUKgAwIBAgIUSiqgpUEKLDuZV+K1Nb+2H5prw/owCgYIKoZIzj0EAwIw
HzEdMBsGA1UEAwwUUGx1bWIgdGVzdCBDbGllbnQgQ0EwIBcNMjYxMTMwMDY1OTUx
WhgPMjEyNjExMDYwNjU5NTFaMBQxEjAQBgNVBAMMCWIuZXhhbXBsZTBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABFdpcevqoZU5oThYyi6Nd02v2a0Z/P0guilnXhuL
ZWZTudkNQeqsv9E45sa4tUEbSbzE4+fErjfqwl4zhpvS6zKjZTBjMAkGA1UdEwQC
MAAwFgYDVR0RBA8wDYILKi5iLmV4YW1wbGUwHQYDVR0OBBYEFDURs3K5/21URqjH
70ojWSMVV2beMB8GA1UdIwQYMBaAFO7vAh+lp4ixbYUSKz7/TyzWnG3nMAoGCCqG
SM49BAMCA0gAMEUCIQDcFBsrjNq4ZMM+/63j+aI7OgaKoylMr40CRb9peYF8DQIg
NOm+iw6G2kUPkiDs1S3R1C+MVt2e4koz/qZRKz69pTg=
-----END CERTIFICATE-----
`;

/** Its key. */
export const B_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMq5embBjntuolgJk
R4kBFzGlPEQEXtMkjlALTeJZ9VChRANCAARXaXHr6qGVOaE4WMoujXdNr9mtGfz9
ILopZ14bi2VmU7nZDUHqrL/ROObGuLVBG0m8xOPnxK436sJeM4ab0usy
-----END PRIVATE KEY-----
`;
