/// A certificate for peer.test and 127.0.0.1 that signs itself, and its key: for tests.
enum TestCertificate {
    static let chain = """
        -----BEGIN CERTIFICATE-----
        MIIBezCCASCgAwIBAgIUQPtm5/oEk4MHlgNIurrBciGx35IwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJcGVlci50ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx
        MDAwMDAwWjAUMRIwEAYDVQQDDAlwZWVyLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAT4jiugbsy3z8yfhFjWO1KWdR2Q+DDLHLTurOQpTBdnPEIS7FLYFO8u
        kZsO+jH9oCZFJmT936KWYWJ21EiKMip2o04wTDAaBgNVHREEEzARgglwZWVyLnRl
        c3SHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUt0lxcL9fX2NqyNM6
        78uAx/OmvgUwCgYIKoZIzj0EAwIDSQAwRgIhAMtS1OjDoqsO2nZXlEv/aSfMHUGM
        D167cauZJz9Kil3YAiEAhM+uS2cN+68pyus1fITCJmQrqEOjjDNrzcMk3z0nuVY=
        -----END CERTIFICATE-----

        """
    static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgphY98imekXIvXjBH
        f6b3n37w1VBW0ZSoCO0YGgmePoGhRANCAAT4jiugbsy3z8yfhFjWO1KWdR2Q+DDL
        HLTurOQpTBdnPEIS7FLYFO8ukZsO+jH9oCZFJmT936KWYWJ21EiKMip2
        -----END PRIVATE KEY-----

        """
}
