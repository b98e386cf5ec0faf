/// Self-signed certificates, good until 2126, and their keys: the first for localhost, 127.0.0.1 and ::1, the second for localhost alone.
enum TestCertificates {
    static let first = """
        -----BEGIN CERTIFICATE-----
        MIIBrjCCAVSgAwIBAgIUbQXS6thRfqPikrFDfEYtejI2UEUwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEzNTUxM1oYDzIxMjYxMDI4
        MTM1NTEzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAARNRsszH1qetVgZH5sZWYSu9FgZ9LDJ1MChcwhISFKfPoYbps3e27IT
        ssDbf6JvhOzjkWSP/M5SanOb7/p9CPFvo4GBMH8wHQYDVR0OBBYEFMkJzYzvNNxh
        Upvbz44kQmytVp+fMB8GA1UdIwQYMBaAFMkJzYzvNNxhUpvbz44kQmytVp+fMA8G
        A1UdEwEB/wQFMAMBAf8wLAYDVR0RBCUwI4IJbG9jYWxob3N0hwR/AAABhxAAAAAA
        AAAAAAAAAAAAAAABMAoGCCqGSM49BAMCA0gAMEUCIB64VGTZaH3IgK580AFFsij+
        3J3uEwtcvS3XoneEJ2yjAiEAjXYbu0I1r3Qo1/88E6FPKX5lezKu3QwdQ/TqQvwV
        7XY=
        -----END CERTIFICATE-----
        """
    static let firstKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJoAAgxj8l7WgxM5T
        e4l46RaZFLjxx4k80nLQmGwDIp6hRANCAARNRsszH1qetVgZH5sZWYSu9FgZ9LDJ
        1MChcwhISFKfPoYbps3e27ITssDbf6JvhOzjkWSP/M5SanOb7/p9CPFv
        -----END PRIVATE KEY-----
        """
    static let second = """
        -----BEGIN CERTIFICATE-----
        MIIBljCCATugAwIBAgIUBoeuk3lPWlJlshwbDX7quQZfIbAwCgYIKoZIzj0EAwIw
        FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE0MjkwM1oYDzIxMjYxMDI4
        MTQyOTAzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
        PQMBBwNCAAQB2kWdN+EmV4hph2N/CcDaTusKCUT+jp3wRBhiWK9tMf91Bav3OAIj
        KGqMaeiicKcdN466PXzJisHTMDFupdPdo2kwZzAdBgNVHQ4EFgQUpXhzvHgnvS25
        c6AQ5PJ+eCbcZFswHwYDVR0jBBgwFoAUpXhzvHgnvS25c6AQ5PJ+eCbcZFswDwYD
        VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
        SQAwRgIhAPTBvLC5UMxewrLyMzDEkDajhCvTff3a7A52GitABQCWAiEA/tgXkK9l
        HTSNB/bBQixm7m5ZJn8l8PIsoipZRurcE8Y=
        -----END CERTIFICATE-----
        """
    static let secondKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwHKFqWpM7+KxZizs
        F900rOwDzcfKhI8WR55WQlhyaBWhRANCAAQB2kWdN+EmV4hph2N/CcDaTusKCUT+
        jp3wRBhiWK9tMf91Bav3OAIjKGqMaeiicKcdN466PXzJisHTMDFupdPd
        -----END PRIVATE KEY-----
        """
}
