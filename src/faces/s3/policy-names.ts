/** Names in bucket policies: S3's actions and condition keys. */

const actions = `
AbortMultipartUpload AssociateAccessGrantsIdentityCenter BypassGovernanceRetention CreateAccessGrant
CreateAccessGrantsInstance CreateAccessGrantsLocation CreateAccessPoint CreateAccessPointForObjectLambda
CreateBucket CreateBucketMetadataTableConfiguration CreateJob CreateMultiRegionAccessPoint CreateStorageLensGroup
DeleteAccessGrant DeleteAccessGrantsInstance DeleteAccessGrantsInstanceResourcePolicy DeleteAccessGrantsLocation
DeleteAccessPoint DeleteAccessPointForObjectLambda DeleteAccessPointPolicy DeleteAccessPointPolicyForObjectLambda
DeleteBucket DeleteBucketMetadataTableConfiguration DeleteBucketOwnershipControls DeleteBucketPolicy
DeleteBucketWebsite DeleteJobTagging DeleteMultiRegionAccessPoint DeleteObject DeleteObjectAnnotation
DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionAnnotation DeleteObjectVersionTagging
DeleteStorageLensConfiguration DeleteStorageLensConfigurationTagging DeleteStorageLensGroup DescribeJob
DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter GetAccelerateConfiguration
GetAccessGrant GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy
GetAccessGrantsLocation GetAccessPoint GetAccessPointConfigurationForObjectLambda GetAccessPointForObjectLambda
GetAccessPointPolicy GetAccessPointPolicyForObjectLambda GetAccessPointPolicyStatus
GetAccessPointPolicyStatusForObjectLambda GetAccountPublicAccessBlock GetAnalyticsConfiguration GetBucketAbac
GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration
GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy
GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning
GetBucketWebsite GetDataAccess GetEncryptionConfiguration GetIntelligentTieringConfiguration
GetInventoryConfiguration GetJobTagging GetLifecycleConfiguration GetMetricsConfiguration GetMultiRegionAccessPoint
GetMultiRegionAccessPointPolicy GetMultiRegionAccessPointPolicyStatus GetMultiRegionAccessPointRoutes GetObject
GetObjectAcl GetObjectAnnotation GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging
GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAnnotation GetObjectVersionAttributes
GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent GetReplicationConfiguration
GetStorageLensConfiguration GetStorageLensConfigurationTagging GetStorageLensDashboard GetStorageLensGroup
InitiateReplication ListAccessGrants ListAccessGrantsInstances ListAccessGrantsLocations ListAccessPoints
ListAccessPointsForObjectLambda ListAllMyBuckets ListBucket ListBucketMultipartUploads ListBucketVersions
ListCallerAccessGrants ListJobs ListMultiRegionAccessPoints ListMultipartUploadParts ListObjectAnnotations
ListObjectVersionAnnotations ListStorageLensConfigurations ListStorageLensGroups ListTagsForResource
ObjectOwnerOverrideToBucketOwner PauseReplication PutAccelerateConfiguration PutAccessGrantsInstanceResourcePolicy
PutAccessPointConfigurationForObjectLambda PutAccessPointPolicy PutAccessPointPolicyForObjectLambda
PutAccessPointPublicAccessBlock PutAccountPublicAccessBlock PutAnalyticsConfiguration PutBucketAbac PutBucketAcl
PutBucketCORS PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls
PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning
PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration PutInventoryConfiguration
PutJobTagging PutLifecycleConfiguration PutMetricsConfiguration PutMultiRegionAccessPointPolicy PutObject
PutObjectAcl PutObjectAnnotation PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl
PutObjectVersionAnnotation PutObjectVersionTagging PutReplicationConfiguration PutStorageLensConfiguration
PutStorageLensConfigurationTagging ReplicateDelete ReplicateObject ReplicateTags RestoreObject
SubmitMultiRegionAccessPointRoutes TagResource UntagResource UpdateAccessGrantsLocation
UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration UpdateJobPriority
UpdateJobStatus UpdateObjectEncryption UpdateStorageLensGroup`;

/** Every action of S3 in lower case: `s3:getobject`. Unimplemented ones are valid in policies but never requested. */
export const knownActions: readonly string[] = actions
  .trim()
  .split(/\s+/)
  .map((name) => `s3:${name.toLowerCase()}`);

const singleKeys = `
aws:AssumedRoot aws:ChatbotSourceArn aws:CurrentTime aws:Ec2InstanceSourcePrivateIPv4 aws:Ec2InstanceSourceVpc
aws:EpochTime aws:FederatedProvider aws:MultiFactorAuthAge aws:MultiFactorAuthPresent aws:PrincipalAccount
aws:PrincipalArn aws:PrincipalIsAWSService aws:PrincipalOrgID aws:PrincipalServiceName aws:PrincipalType aws:Referer
aws:RequestedRegion aws:ResourceAccount aws:ResourceOrgID aws:SecureTransport aws:SourceAccount aws:SourceArn
aws:SourceIdentity aws:SourceIp aws:SourceOrgID aws:SourceOwner aws:SourceVpc aws:SourceVpcArn aws:SourceVpce
aws:TokenIssueTime aws:UserAgent aws:ViaAWSService aws:VpcSourceIp aws:VpceAccount aws:VpceOrgID aws:userid
aws:username s3:AccessGrantsInstanceArn s3:AccessPointNetworkOrigin s3:DataAccessPointAccount s3:DataAccessPointArn
s3:ExistingJobOperation s3:ExistingJobPriority s3:InventoryAccessibleOptionalFields s3:JobSuspendedCause
s3:LocationConstraint s3:ObjectCreationOperation s3:RequestJobOperation s3:RequestJobPriority s3:ResourceAccount
s3:TlsVersion s3:VersionId s3:authType s3:delimiter s3:if-match s3:if-none-match s3:max-keys
s3:object-lock-legal-hold s3:object-lock-mode s3:object-lock-remaining-retention-days
s3:object-lock-retain-until-date s3:prefix s3:signatureAge s3:signatureversion s3:x-amz-acl s3:x-amz-content-sha256
s3:x-amz-copy-source s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp s3:x-amz-grant-write
s3:x-amz-grant-write-acp s3:x-amz-metadata-directive s3:x-amz-object-ownership s3:x-amz-server-side-encryption
s3:x-amz-server-side-encryption-aws-kms-key-id s3:x-amz-server-side-encryption-customer-algorithm
s3:x-amz-storage-class s3:x-amz-website-redirect-location`;

const listKeys = `
aws:CalledVia aws:PrincipalOrgPaths aws:PrincipalServiceNamesList aws:ResourceOrgPaths aws:SourceOrgPaths
aws:TagKeys aws:VpceOrgPaths s3:RequestObjectTagKeys`;

const split = (text: string): ReadonlySet<string> => new Set(text.trim().toLowerCase().split(/\s+/));
const single = split(singleKeys);
const lists = split(listKeys);
const families =
  /^(?:aws:(?:principal|request|resource)tag|s3:(?:existingobjecttag|requestobjecttag|buckettag|accesspointtag))\/./;

/** Whether a lower-case key is valid in a condition. Keys of unimplemented features have no value. */
export function isConditionKey(key: string): boolean {
  return isVariableKey(key) || lists.has(key);
}

/** Whether a key has at most one value, so that it is valid as a policy variable. */
export function isVariableKey(key: string): boolean {
  return single.has(key) || families.test(key);
}
