//! A question survives the wire: as protobuf, as proto3 JSON, and in the domain's words.

use neglist::policy::source::Document;
use neglist::policy::verify;
use neglist::wire::decide::from_proto;
use neglist::wire::generated::v1;
use neglist::wire::json::message;
use prost::Message as _;

use crate::support::clients;
use crate::support::shipped;

#[test]
fn every_shipped_case_survives_protobuf_and_json() {
    let mut transfers = 0;
    for source in shipped::tests() {
        let Document::Test(file) = source.document else { continue };
        for case in &file.cases {
            let Some(transfer) = &case.transfer else { continue };
            let asked = verify::asked(transfer);
            let request = clients::request(clients::to_proto(&asked, case.at.0));
            let decoded = v1::DecideRequest::decode(request.encode_to_vec().as_slice()).unwrap();
            assert_eq!(decoded, request, "{}", case.id.value.0);
            let text = message::to_json(&request, "neglist.v1.DecideRequest").unwrap();
            let read = message::decide_request_from_json(&text).unwrap();
            assert_eq!(read, request, "{}: {text}", case.id.value.0);
            let question = from_proto::decide(&read).unwrap();
            let mut wanted = format!("{asked:?}");
            wanted = wanted.replace("at: None", &format!("at: {:?}", Some(case.at.0)));
            assert_eq!(format!("{:?}", question.asked), wanted, "{}", case.id.value.0);
            transfers += 1;
        }
    }
    assert!(300 <= transfers, "only {transfers}");
}
